/** Age at which a message counts as lost, in milliseconds: much more than the latency of a saturated server. */
const LOST_AFTER_MS = 2_000;

/**
 * The messages whose publishers have not received their own copy yet. Refused and lost messages leave too, so that
 * they do not lower the limit for all later messages.
 */
export class InFlightMessages {
  readonly #max: number;
  /** The time of sending by message, the oldest first. */
  readonly #sentAtMs = new Map<number, number>();

  constructor(max: number) {
    this.#max = max;
  }

  /** Whether as many messages as allowed are neither settled nor lost. */
  isFullAt(nowMs: number): boolean {
    for (const [key, sentAtMs] of this.#sentAtMs) {
      if (nowMs - sentAtMs < LOST_AFTER_MS) break;
      this.#sentAtMs.delete(key);
    }
    return this.#sentAtMs.size >= this.#max;
  }

  sent(publisher: number, sequence: number, nowMs: number): void {
    this.#sentAtMs.set(keyOf(publisher, sequence), nowMs);
  }

  /** Removes a message, because its publisher has received its copy or an error. */
  settled(publisher: number, sequence: number): void {
    this.#sentAtMs.delete(keyOf(publisher, sequence));
  }
}

/** A number for each message, because they take less memory than strings. */
function keyOf(publisher: number, sequence: number): number {
  return publisher * 2 ** 31 + sequence;
}
