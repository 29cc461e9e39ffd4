/**
 * Tells whether servers are still missing from the store after it lost its data. At first, such a store holds only
 * the entries of those servers that have noticed the loss and have written their entries again; the rooms of the
 * other servers would look empty. A server sends signs of life only while all its entries are in the store.
 */
export class MissingServers {
  readonly #withinMs: number;
  readonly #now: () => number;
  /** Number of servers that sent signs of life when none was missing, this server included. */
  #complete = 0;
  /** Monotonic time until which servers may be missing. */
  #missingUntil = Number.NEGATIVE_INFINITY;

  /**
   * `withinMs` is how long to wait for missing servers: those that are missing after this time are gone. 0: do not
   * wait. `now` is a monotonic clock in milliseconds.
   */
  constructor(withinMs: number, now = () => performance.now()) {
    this.#withinMs = withinMs;
    this.#now = now;
  }

  /**
   * Whether servers that sent signs of life before the loss have yet to send one, and the wait for them has not
   * ended.
   */
  get areMissing(): boolean {
    return this.#now() < this.#missingUntil;
  }

  /** Records that this server's lease was lost, perhaps with all data. Does not prolong an earlier wait. */
  noteLoss(): void {
    if (!this.areMissing && this.#complete > 1) this.#missingUntil = this.#now() + this.#withinMs;
  }

  /** Records the number of servers that send signs of life. */
  noteSpeaking(count: number): void {
    if (this.areMissing && count < this.#complete) return;
    this.#missingUntil = Number.NEGATIVE_INFINITY;
    this.#complete = count;
  }
}
