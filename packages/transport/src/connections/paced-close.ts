import { setTimeout as sleep } from "node:timers/promises";
import type { TransportConnection } from "./connection.js";

/** How goodbyes are spread. */
export interface Pace {
  /** Over how long, in milliseconds; 0: all at once. */
  readonly overMs: number;
  /** Between two waves, in milliseconds, give or take a quarter. */
  readonly waveMs: number;
  /** Fewer than this at a time are not worth a wave of their own. */
  readonly waveMin: number;
  /** Ends the pacing; the caller decides about those who are left. */
  readonly signal?: AbortSignal;
}

/**
 * Closes connections with `going-away`, in waves and in no order, so that neither this
 * process nor the places they go to next meet all of them at once. However long the process
 * was held up, two waves are at least half of `waveMs` apart. Tells the size of each wave,
 * and resolves to those who were not told because the signal came.
 */
export async function sayGoodbyes<U>(
  connections: Iterable<TransportConnection<U>>,
  { overMs, waveMs, waveMin, signal }: Pace,
  onWave: (told: number) => void = () => undefined,
): Promise<TransportConnection<U>[]> {
  const leaving = shuffled([...connections]);
  const waves = Math.max(1, Math.floor(overMs / waveMs));
  const size = overMs === 0 ? leaving.length : Math.max(waveMin, Math.ceil(leaving.length / waves));
  const startedAt = performance.now();
  let toldAt = Number.NEGATIVE_INFINITY;
  for (let wave = 0; leaving.length > 0; wave++) {
    if (wave > 0) {
      const due = startedAt + (wave + (Math.random() - 0.5) / 2) * waveMs;
      try {
        await sleep(Math.max(due, toldAt + waveMs / 2) - performance.now(), undefined, { signal });
      } catch {
        // Only the signal ends a sleep.
      }
    }
    if (signal?.aborted === true) return leaving;
    toldAt = performance.now();
    onWave(tell(leaving, size));
  }
  return leaving;
}

/** Takes connections off the end of the list until `size` open ones are closed; returns how many were. */
function tell<U>(leaving: TransportConnection<U>[], size: number): number {
  let told = 0;
  while (told < size) {
    const connection = leaving.pop();
    if (connection === undefined) break;
    if (!connection.open) continue;
    connection.close("going-away");
    told += 1;
  }
  return told;
}

/** By age or by room, a whole room would be told in one wave. */
function shuffled<T>(items: T[]): T[] {
  for (let last = items.length - 1; last > 0; last--) {
    const other = Math.floor(Math.random() * (last + 1));
    // Both lie within the list.
    [items[last], items[other]] = [items[other] as T, items[last] as T];
  }
  return items;
}
