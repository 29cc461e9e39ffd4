import type { EnvelopePosition } from "@cm/protocol";

/** What a receiver makes of a message's position. */
export type Arrival =
  | { readonly kind: "fresh" }
  | { readonly kind: "duplicate" }
  /** It is to be delivered; so many before it are missing. */
  | { readonly kind: "after-gap"; readonly missed: number };

const FRESH: Arrival = { kind: "fresh" };
const DUPLICATE: Arrival = { kind: "duplicate" };

/** More origins than any cluster has; bounds what a stranger on the bus could make us keep. */
const MAX_ORIGINS = 10_000;

/**
 * What arrived on one channel, by origin. A channel keeps one order, and each origin
 * numbers what it publishes there without holes: a number that was passed already is a
 * duplicate (the client library sends a publish again when the link broke under it),
 * and a number too far ahead shows a loss.
 */
export class Arrivals {
  readonly #last = new Map<string, { epoch: number; sequence: number }>();

  judge(origin: string, { epoch, sequence }: EnvelopePosition): Arrival {
    if (sequence === 0) return FRESH;
    const last = this.#last.get(origin);
    if (last === undefined) {
      // Nothing is known of what came before this subscription.
      if (this.#last.size >= MAX_ORIGINS) this.#last.clear();
      this.#last.set(origin, { epoch, sequence });
      return FRESH;
    }
    if (last.epoch !== epoch) {
      last.epoch = epoch;
      last.sequence = sequence;
      return sequence === 1 ? FRESH : { kind: "after-gap", missed: sequence - 1 };
    }
    const step = sequence - last.sequence;
    if (step <= 0) return DUPLICATE;
    last.sequence = sequence;
    return step === 1 ? FRESH : { kind: "after-gap", missed: step - 1 };
  }
}
