/**
 * Limits the bytes per second of one connection's frames, with bursts of twice as many. A frame of any size is
 * allowed while any of the budget is left, and then frames are refused until the debt is paid off, so that the
 * limit may be less than the largest frame.
 */
export class ByteRate {
  readonly #perSecond: number;
  #left: number;
  #filledAt: number;

  /** `perSecond` 0: no limit. */
  constructor(perSecond: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#left = 2 * perSecond;
    this.#filledAt = nowMs;
  }

  /** Whether a frame of this text is allowed. If it is, its bytes are deducted. */
  take(text: string, nowMs: number): boolean {
    if (this.#perSecond === 0) return true;
    this.#left = Math.min(2 * this.#perSecond, this.#left + ((nowMs - this.#filledAt) * this.#perSecond) / 1000);
    this.#filledAt = nowMs;
    if (this.#left <= 0) return false;
    this.#left -= Buffer.byteLength(text);
    return true;
  }
}
