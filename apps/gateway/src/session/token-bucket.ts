/** Whether a request is within the rate of its connection. */
export type RateVerdict = "allowed" | "limited" | "abusive";

/**
 * Allows `perSecond` requests per second, with bursts of twice as many. A request beyond that is `limited`;
 * after as many `limited` requests as a burst contains, the next request is `abusive`.
 */
export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #filledAt: number;

  constructor(perSecond: number, nowMs: number) {
    this.#perMs = perSecond / 1000;
    this.#burst = perSecond * 2;
    this.#tokens = this.#burst;
    this.#filledAt = nowMs;
  }

  take(nowMs: number): RateVerdict {
    const filled = this.#tokens + (nowMs - this.#filledAt) * this.#perMs;
    this.#filledAt = nowMs;
    this.#tokens = Math.min(this.#burst, filled) - 1;
    if (this.#tokens >= 0) return "allowed";
    if (this.#tokens >= -this.#burst) return "limited";
    this.#tokens = -this.#burst;
    return "abusive";
  }
}
