/** The rate of a token bucket. Buckets of the same kind share one. */
export interface BucketRate {
  /** The amount that is refilled per second. */
  readonly perSecond: number;
  /** The amount in a full bucket. */
  readonly max: number;
}

/** A rate with bursts of twice as many. */
export function burstRate(perSecond: number): BucketRate {
  return { perSecond, max: 2 * perSecond };
}

/**
 * A token bucket for any amount, such as bytes, deliveries or milliseconds, or for whole events: it refills at a
 * constant rate up to a maximum. More of it may be spent than is left, as a debt.
 */
export class TokenBucket {
  /** The rate at which this bucket refills. */
  protected readonly rate: BucketRate;
  #left: number;
  /** A whole number of milliseconds: V8 stores a number with a fraction in an object of its own. */
  #filledAt: number;

  /** Begins full. */
  constructor(rate: BucketRate, nowMs: number) {
    this.rate = rate;
    this.#left = rate.max;
    this.#filledAt = Math.floor(nowMs);
  }

  /** What is left at this time on a monotonic clock, in milliseconds; negative while there is a debt. */
  left(nowMs: number): number {
    const { perSecond, max } = this.rate;
    const filledAt = Math.floor(nowMs);
    this.#left = Math.min(max, this.#left + ((filledAt - this.#filledAt) * perSecond) / 1000);
    this.#filledAt = filledAt;
    return this.#left;
  }

  /** Whether another event is allowed at this time. If it is, it is deducted. */
  take(nowMs: number): boolean {
    if (this.left(nowMs) < 1) return false;
    this.spend(1);
    return true;
  }

  /** Spends an amount. The debt does not exceed `maxDebt`. Call {@link left} first. */
  spend(amount: number, maxDebt = Number.POSITIVE_INFINITY): void {
    this.#left = Math.max(-maxDebt, this.#left - amount);
  }
}
