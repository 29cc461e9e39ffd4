import { setTimeout as sleep } from "node:timers/promises";
import type { TransportConnection } from "./transport-connection.js";

/** The pace at which connections are closed. */
export interface Pace {
  /** Time over which the closes are spread, in milliseconds. 0: all connections are closed at once. */
  readonly overMs: number;
  /** Time between two waves, in milliseconds, plus or minus a quarter. */
  readonly waveMs: number;
  /** Minimum number of connections in a wave. */
  readonly waveMin: number;
  /** Signal whose abort ends the waves; the caller handles the remaining connections. */
  readonly signal?: AbortSignal;
}

/**
 * Closes connections with `going-away`, in waves and in random order, so that neither this process nor the
 * servers they reconnect to have to handle all of them at once. Two waves are at least half of `waveMs` apart,
 * even if the process was blocked. Calls `onWave` with the size of each wave, and resolves with the connections
 * that were not closed because the signal was aborted.
 */
export async function closeInWaves<U>(
  connections: Iterable<TransportConnection<U>>,
  { overMs, waveMs, waveMin, signal }: Pace,
  onWave: (closed: number) => void = () => undefined,
): Promise<TransportConnection<U>[]> {
  const leaving = shuffled([...connections]);
  const waves = Math.max(1, Math.floor(overMs / waveMs));
  const size = overMs === 0 ? leaving.length : Math.max(waveMin, Math.ceil(leaving.length / waves));
  const startedAt = performance.now();
  let lastWaveAt = Number.NEGATIVE_INFINITY;
  for (let wave = 0; leaving.length > 0; wave++) {
    if (wave > 0) {
      const due = startedAt + (wave + (Math.random() - 0.5) / 2) * waveMs;
      try {
        await sleep(Math.max(due, lastWaveAt + waveMs / 2) - performance.now(), undefined, { signal });
      } catch {
        // Ignore the rejection: a sleep rejects only if the signal is aborted, and the loop checks the signal.
      }
    }
    if (signal?.aborted === true) return leaving;
    lastWaveAt = performance.now();
    onWave(closeNext(leaving, size));
  }
  return leaving;
}

/**
 * Removes connections from the end of the list until `size` open ones have been closed. Returns how many were
 * closed.
 */
function closeNext<U>(leaving: TransportConnection<U>[], size: number): number {
  let closed = 0;
  while (closed < size) {
    const connection = leaving.pop();
    if (connection === undefined) break;
    if (!connection.open) continue;
    connection.close("going-away");
    closed += 1;
  }
  return closed;
}

/**
 * Shuffles the items. If connections were closed in order of age or room, a whole room could be closed in one
 * wave.
 */
function shuffled<T>(items: T[]): T[] {
  for (let last = items.length - 1; last > 0; last--) {
    const other = Math.floor(Math.random() * (last + 1));
    // Both indexes are within the list.
    [items[last], items[other]] = [items[other] as T, items[last] as T];
  }
  return items;
}
