import { TokenBucket } from "@cm/transport";

/** Whether a request is within the rate of its connection. */
export type RateVerdict = "allowed" | "limited" | "abusive";

/**
 * Allows requests at a rate. A request beyond that is `limited`; after as many `limited` requests as a burst contains,
 * the next request is `abusive`.
 */
export class RequestRate extends TokenBucket {
  /** Deducts a request, and judges it. */
  takeRequest(nowMs: number): RateVerdict {
    const { max } = this.rate;
    const left = this.left(nowMs) - 1;
    this.spend(1, max);
    if (left >= 0) return "allowed";
    return left >= -max ? "limited" : "abusive";
  }
}
