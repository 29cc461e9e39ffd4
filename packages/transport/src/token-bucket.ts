/** Size of a burst, in seconds of the allowed rate. */
const BURST_SECONDS = 2;

/** Allows `perSecond` events per second, with bursts of twice as many. */
export class TokenBucket {
  readonly #perSecond: number;
  /** Number of events that were still allowed at `#filledAt`. */
  #left: number;
  #filledAt: number;

  constructor(perSecond: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#left = perSecond * BURST_SECONDS;
    this.#filledAt = nowMs;
  }

  /** Whether another event is allowed. If it is, it is deducted. */
  take(nowMs: number): boolean {
    const filled = this.#left + ((nowMs - this.#filledAt) * this.#perSecond) / 1000;
    this.#left = Math.min(this.#perSecond * BURST_SECONDS, filled);
    this.#filledAt = nowMs;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
