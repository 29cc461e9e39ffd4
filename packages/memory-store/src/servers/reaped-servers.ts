/** How many are kept; a cluster of that many servers has had time to hear of the oldest. */
const REAPED_MAX = 1000;

/** How long each is kept: as long as a database would keep what the holder has put, by default. */
const REAPED_MS = 3_600_000;

/** The incarnations of servers that were cleaned up after, for a limited time and number. */
export class ReapedServers {
  readonly #now: () => number;
  /** Until when each is kept, in the order of burial. */
  readonly #until = new Map<string, number>();

  constructor(now: () => number) {
    this.#now = now;
  }

  add(serverId: string, incarnation: string): void {
    const now = this.#now();
    this.#until.delete(keyOf(serverId, incarnation));
    this.#until.set(keyOf(serverId, incarnation), now + REAPED_MS);
    for (const [key, untilMs] of this.#until) {
      if (untilMs > now && this.#until.size <= REAPED_MAX) return;
      this.#until.delete(key);
    }
  }

  /** Ids of servers that were cleaned up after since a moment. */
  since(fromMs: number, most: number): string[] {
    const serverIds = new Set<string>();
    // The latest are last, and all are kept for the same time.
    for (const [key, untilMs] of [...this.#until].reverse()) {
      if (untilMs - REAPED_MS < fromMs || serverIds.size === most) break;
      serverIds.add(key.slice(0, key.indexOf(".")));
    }
    return [...serverIds];
  }

  /** Whether it was cleaned up after; tells it once. */
  take(serverId: string, incarnation: string): boolean {
    const key = keyOf(serverId, incarnation);
    const untilMs = this.#until.get(key);
    this.#until.delete(key);
    return untilMs !== undefined && untilMs > this.#now();
  }
}

/** Server ids have no dot, so no two holders share a key. */
function keyOf(serverId: string, incarnation: string): string {
  return `${serverId}.${incarnation}`;
}
