/**
 * Maximum number of registrations and memberships that are removed at a time: those of one connection in 199
 * rooms, or of 100 connections in one room each.
 */
const ENTRIES_AT_ONCE_MAX = 200;

/**
 * Removes a connection. Resolves when the store has removed it, or when the removal is kept for later. Never
 * rejects.
 */
type Close = () => Promise<void>;

interface Waiting {
  readonly close: Close;
  readonly entries: number;
}

/**
 * Paces the removal of closed connections from the store by the number of entries to remove. If thousands of
 * connections close at once, each with its rooms, removing them all together would block the event loop and
 * delay the store commands of the clients that are still connected. If only a moderate number of connections
 * close, their removal never waits.
 */
export class PacedRemovals {
  /** The closes that wait, in the order in which they were requested. At most one entry per connection. */
  #waiting: Waiting[] = [];
  #next = 0;
  #entriesUnderWay = 0;

  /** Number of closes that have not started. */
  get waiting(): number {
    return this.#waiting.length - this.#next;
  }

  /** Runs a close, or queues it. `rooms` is the number of rooms that the connection is in. */
  run(rooms: number, close: Close): void {
    const entries = rooms + 1;
    if (this.waiting > 0 || !this.#hasRoomFor(entries)) this.#waiting.push({ close, entries });
    else this.#start({ close, entries });
  }

  /** Whether a close may start now. A close that exceeds the limit by itself runs alone. */
  #hasRoomFor(entries: number): boolean {
    return this.#entriesUnderWay === 0 || this.#entriesUnderWay + entries <= ENTRIES_AT_ONCE_MAX;
  }

  #start({ close, entries }: Waiting): void {
    this.#entriesUnderWay += entries;
    // Start the next closes in a turn of their own, so that requests that have arrived since then are handled
    // first.
    void close().finally(() => setImmediate(() => this.#ended(entries)));
  }

  #ended(entries: number): void {
    this.#entriesUnderWay -= entries;
    for (;;) {
      const next = this.#waiting[this.#next];
      if (next === undefined || !this.#hasRoomFor(next.entries)) return;
      if (++this.#next === this.#waiting.length) {
        this.#waiting = [];
        this.#next = 0;
      }
      this.#start(next);
    }
  }
}
