import { holderName, type ServerIncarnation } from "@cm/protocol";

/** Maximum number of reaped incarnations that are kept, more than any cluster has servers. */
const REAPED_MAX = 1000;

/**
 * How long each reaped incarnation is kept, in milliseconds (1 h): as long as a store on Redis keeps a server's
 * data by default.
 */
const REAPED_MS = 3_600_000;

/** The incarnations of reaped servers, for a limited time and up to a maximum number. */
export class ReapedServers {
  readonly #now: () => number;
  /** Until when each incarnation is kept, in the order of reaping. */
  readonly #until = new Map<string, number>();

  constructor(now: () => number) {
    this.#now = now;
  }

  add(holder: ServerIncarnation): void {
    const now = this.#now();
    const name = holderName(holder);
    this.#until.delete(name);
    this.#until.set(name, now + REAPED_MS);
    for (const [key, untilMs] of this.#until) {
      if (untilMs > now && this.#until.size <= REAPED_MAX) return;
      this.#until.delete(key);
    }
  }

  /** Returns the ids of servers that were reaped at or after `fromMs`: at most `most`, the latest first. */
  since(fromMs: number, most: number): string[] {
    const serverIds = new Set<string>();
    // The latest entries are last, and all entries are kept for the same time.
    for (const [key, untilMs] of [...this.#until].reverse()) {
      if (untilMs - REAPED_MS < fromMs || serverIds.size === most) break;
      serverIds.add(key.slice(0, key.indexOf(".")));
    }
    return [...serverIds];
  }

  /** Whether the incarnation was reaped. Reports this only once. */
  take(holder: ServerIncarnation): boolean {
    const key = holderName(holder);
    const untilMs = this.#until.get(key);
    this.#until.delete(key);
    return untilMs !== undefined && untilMs > this.#now();
  }
}
