/** The rate of a token bucket. Buckets of the same kind share one. */
export interface Rate {
  /** The amount that is refilled per second. */
  readonly perSecond: number;
  /** The amount in a full bucket. */
  readonly max: number;
}

/** A rate with bursts of twice as many. */
export function burstRate(perSecond: number): Rate {
  return { perSecond, max: 2 * perSecond };
}

/**
 * A token bucket for any amount, such as bytes, deliveries or milliseconds: it refills at a constant rate up to a
 * maximum. More of it may be spent than is left, as a debt.
 */
export class TokenBucket {
  protected readonly rate: Rate;
  #left: number;
  /** A whole number of milliseconds: V8 stores a number with a fraction in an object of its own. */
  #filledAt: number;

  /** Begins full. */
  constructor(rate: Rate, nowMs: number) {
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

  /** Spends an amount. The debt does not exceed `maxDebt`. Call {@link left} first. */
  spend(amount: number, maxDebt = Number.POSITIVE_INFINITY): void {
    this.#left = Math.max(-maxDebt, this.#left - amount);
  }
}
