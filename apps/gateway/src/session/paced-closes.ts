/** Closes whose removals may be under way at a time. */
const AT_ONCE_MAX = 2;

/** What a close has to be done about: resolves when the store has taken it, or keeps it for later. Never rejects. */
type Close = () => Promise<void>;

/**
 * Has the registrations of closed connections removed some at a time. Where thousands end at once,
 * each with its rooms, all removals together would hold up the event loop, and fill the line to
 * the store in front of those who are still there.
 */
export class PacedCloses {
  /** In the order of the closes; bounded by the number of connections that there were. */
  #waiting: Close[] = [];
  #next = 0;
  #running = 0;

  /** Closes that wait for their turn. */
  get waiting(): number {
    return this.#waiting.length - this.#next;
  }

  run(close: Close): void {
    if (this.#running >= AT_ONCE_MAX) this.#waiting.push(close);
    else this.#start(close);
  }

  #start(close: Close): void {
    this.#running++;
    // A turn of its own for the next one: what else has come meanwhile goes first.
    void close().finally(() => setImmediate(() => this.#ended()));
  }

  #ended(): void {
    this.#running--;
    const close = this.#waiting[this.#next];
    if (close === undefined) return;
    if (++this.#next === this.#waiting.length) {
      this.#waiting = [];
      this.#next = 0;
    }
    this.#start(close);
  }
}
