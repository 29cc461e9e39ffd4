/** Classification of a received message, for one member and one publisher. */
export type Receipt = "next" | "late" | "duplicate";

/** Number of latest sequences that have a bit each, which distinguishes a duplicate from a late message. */
const WINDOW_BITS = 32;

/**
 * The messages of each publisher that each member has received: the highest sequence, a bit for each of the 32
 * sequences up to it, and a count. Each pair of member and publisher takes 12 bytes.
 */
export class ReceiptLedger {
  readonly #publishers: number;
  readonly #highest: Int32Array;
  readonly #recent: Uint32Array;
  readonly #distinct: Uint32Array;

  /** @param publishers number of publishers in one room */
  constructor(members: number, publishers: number) {
    this.#publishers = publishers;
    this.#highest = new Int32Array(members * publishers).fill(-1);
    this.#recent = new Uint32Array(members * publishers);
    this.#distinct = new Uint32Array(members * publishers);
  }

  /**
   * Records and classifies a message. A message is `late` if it arrives for the first time after a later one of
   * its publisher. A message before the window counts as a duplicate, unless the count shows that a message
   * before the window is missing.
   */
  take(member: number, publisher: number, sequence: number): Receipt {
    const pair = member * this.#publishers + publisher;
    const highest = this.#highest[pair] ?? -1;
    const recent = this.#recent[pair] ?? 0;
    const ahead = sequence - highest;
    if (ahead > 0) {
      this.#recent[pair] = ahead >= WINDOW_BITS ? 1 : (recent << ahead) | 1;
      this.#highest[pair] = sequence;
      this.#distinct[pair] = (this.#distinct[pair] ?? 0) + 1;
      return "next";
    }
    if (-ahead < WINDOW_BITS) {
      const bit = 1 << -ahead;
      if ((recent & bit) !== 0) return "duplicate";
      this.#recent[pair] = recent | bit;
    } else {
      const distinct = this.#distinct[pair] ?? 0;
      const missingBeyond = highest + 1 - WINDOW_BITS - (distinct - countBits(recent));
      if (missingBeyond <= 0) return "duplicate";
    }
    this.#distinct[pair] = (this.#distinct[pair] ?? 0) + 1;
    return "late";
  }
}

function countBits(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++;
  return count;
}
