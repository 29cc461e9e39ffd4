/**
 * Tells whether servers are still missing from the store after it lost its data. A store that lost all data
 * holds only the servers that have noticed this and registered again: it would show the rooms of the others as
 * empty.
 */
export class ReturningPeers {
  readonly #withinMs: number;
  readonly #now: () => number;
  /** Number of servers that the registry knew when it was complete, this server included. */
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

  /** Whether servers that the registry knew before the loss may be missing. */
  get areMissing(): boolean {
    return this.#now() < this.#missingUntil;
  }

  /** Records that this server's lease was lost, perhaps with all data. Does not prolong an earlier wait. */
  noteLoss(): void {
    if (!this.areMissing && this.#complete > 1) this.#missingUntil = this.#now() + this.#withinMs;
  }

  /** Records the number of servers that the registry knows. */
  noteKnown(count: number): void {
    if (this.areMissing && count < this.#complete) return;
    this.#missingUntil = Number.NEGATIVE_INFINITY;
    this.#complete = count;
  }
}
