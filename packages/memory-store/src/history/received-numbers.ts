/** Maximum number of missing numbers that are kept. A link resends fewer commands than this out of order. */
const MISSING_MAX = 64;

/** Keeps the numbers received from one sender, to distinguish a message sent twice from one that arrives late. */
export class ReceivedNumbers {
  #epoch: number | undefined;
  #highest = 0;
  /** Numbers below the highest that have not been received yet, in ascending order. */
  #missing: number[] = [];

  /** Records a number. Returns whether it was received for the first time. */
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
