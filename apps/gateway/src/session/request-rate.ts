import { TokenBucket } from "../limits/token-bucket.js";

/** Whether a request is within the rate of its connection. */
export type RateVerdict = "allowed" | "limited" | "abusive";

/**
 * Allows `perSecond` requests per second, with bursts of twice as many. A request beyond that is `limited`;
 * after as many `limited` requests as a burst contains, the next request is `abusive`.
 */
export class RequestRate {
  readonly #burst: number;
  readonly #tokens: TokenBucket;

  constructor(perSecond: number, nowMs: number) {
    this.#burst = perSecond * 2;
    this.#tokens = new TokenBucket({ perSecond, max: this.#burst }, nowMs);
  }

  take(nowMs: number): RateVerdict {
    const left = this.#tokens.left(nowMs) - 1;
    this.#tokens.spend(1, this.#burst);
    if (left >= 0) return "allowed";
    return left >= -this.#burst ? "limited" : "abusive";
  }
}
