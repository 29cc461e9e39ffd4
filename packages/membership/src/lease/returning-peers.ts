/**
 * Tells whether servers are still missing from the store after it lost its data. A store that lost all data
 * holds only what servers have written that have noticed this: it would show the rooms of the others as empty.
 * A server sends signs of life only while everything of it is in the store.
 */
export class ReturningPeers {
  readonly #withinMs: number;
  readonly #now: () => number;
  /** Number of servers that sent signs of life when none was missing, this server included. */
  #complete = 0;
  /** Monotonic time until which servers may be missing. */
  #missingUntil = Number.NEGATIVE_INFINITY;

  /**
   * `withinMs` is the time after which no more servers are waited for: those that are still missing are gone.
   * 0: none are waited for. `now` is a monotonic clock.
   */
  constructor(withinMs: number, now = () => performance.now()) {
    this.#withinMs = withinMs;
    this.#now = now;
  }

  /** Whether servers that sent signs of life before the loss have yet to send one. */
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
