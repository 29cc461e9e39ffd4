import { TokenBucket } from "@cm/transport";

/**
 * Limits the bytes per second of one connection's frames; a rate of 0 is no limit. A frame of any size is allowed while
 * any of the budget is left, and then frames are refused until the debt is paid off, so that the limit may be less than
 * the largest frame.
 */
export class ByteRate extends TokenBucket {
  /** Whether a frame of this text is allowed. If it is, its bytes are deducted. */
  takeFrame(text: string, nowMs: number): boolean {
    if (this.rate.perSecond === 0) return true;
    if (this.left(nowMs) <= 0) return false;
    this.spend(Buffer.byteLength(text));
    return true;
  }
}
