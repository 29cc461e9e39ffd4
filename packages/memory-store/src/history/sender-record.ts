/** Numbers below the highest that may still come; a link holds fewer commands that it might send again out of order. */
const MISSING_MAX = 64;

/** Which numbers of one sender have come: what comes twice is a repetition, what comes late is not. */
export class SenderRecord {
  #epoch: number | undefined;
  #highest = 0;
  /** Those below the highest that have not come, the lowest first. */
  #missing: number[] = [];

  /** Whether it comes for the first time. */
  take({ epoch, sequence }: { readonly epoch: number; readonly sequence: number }): boolean {
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#highest = 0;
      this.#missing = [];
    }
    if (sequence <= this.#highest) {
      const at = this.#missing.indexOf(sequence);
      if (at >= 0) this.#missing.splice(at, 1);
      return at >= 0;
    }
    for (let i = Math.max(this.#highest + 1, sequence - MISSING_MAX); i < sequence; i++) this.#missing.push(i);
    this.#missing.splice(0, Math.max(0, this.#missing.length - MISSING_MAX));
    this.#highest = sequence;
    return true;
  }
}
