/**
 * A token bucket for any amount, such as bytes, deliveries or milliseconds: it refills at a constant rate up to a
 * maximum. More of it may be spent than is left, as a debt.
 */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #max: number;
  #left: number;
  #filledAt: number;

  /** Begins full. */
  constructor({ perSecond, max }: { readonly perSecond: number; readonly max: number }, nowMs: number) {
    this.#perSecond = perSecond;
    this.#max = max;
    this.#left = max;
    this.#filledAt = nowMs;
  }

  /** What is left at this time on a monotonic clock, in milliseconds; negative while there is a debt. */
  left(nowMs: number): number {
    this.#left = Math.min(this.#max, this.#left + ((nowMs - this.#filledAt) * this.#perSecond) / 1000);
    this.#filledAt = nowMs;
    return this.#left;
  }

  /** Spends an amount. The debt does not exceed `maxDebt`. Call {@link left} first. */
  spend(amount: number, maxDebt = Number.POSITIVE_INFINITY): void {
    this.#left = Math.max(-maxDebt, this.#left - amount);
  }
}
