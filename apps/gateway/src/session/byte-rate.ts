import { TokenBucket } from "../limits/token-bucket.js";

/**
 * Limits the bytes per second of one connection's frames, with bursts of twice as many. A frame of any size is
 * allowed while any of the budget is left, and then frames are refused until the debt is paid off, so that the
 * limit may be less than the largest frame.
 */
export class ByteRate {
  /** `undefined`: no limit. */
  readonly #bytes: TokenBucket | undefined;

  /** `perSecond` 0: no limit. */
  constructor(perSecond: number, nowMs: number) {
    this.#bytes = perSecond === 0 ? undefined : new TokenBucket({ perSecond, max: 2 * perSecond }, nowMs);
  }

  /** Whether a frame of this text is allowed. If it is, its bytes are deducted. */
  take(text: string, nowMs: number): boolean {
    if (this.#bytes === undefined) return true;
    if (this.#bytes.left(nowMs) <= 0) return false;
    this.#bytes.spend(Buffer.byteLength(text));
    return true;
  }
}
