/**
 * Time constant of the average rate, in milliseconds. Example: after 100 ms at 400 messages a second, the rate counts
 * as 130 a second; 500 ms after the last message, as less than 60.
 */
const RATE_TIME_MS = 250;

/**
 * Messages that are less than this many milliseconds apart share a write anyway, so they count once.
 */
const SAME_WRITE_MS = 1;

/**
 * Below this many messages a second, none of them should wait for others: even a window of 10 ms would not halve the
 * number of writes.
 */
export const BUSY_AT_PER_SECOND = 75;

/** The rate of messages that do not share a write anyway, as an exponentially decaying average. */
export class MessageRate {
  /** Number of messages, decaying. Divided by {@link RATE_TIME_MS}, it is the rate per millisecond. */
  #level = 0;
  #at = Number.NEGATIVE_INFINITY;

  /** Counts a message; `now` is the time in milliseconds. Returns the rate per second. */
  count(now: number): number {
    const passed = now - this.#at;
    if (passed >= SAME_WRITE_MS) {
      this.#level = this.#level * Math.exp(-passed / RATE_TIME_MS) + 1;
      this.#at = now;
    }
    return (1000 * this.#level) / RATE_TIME_MS;
  }
}
