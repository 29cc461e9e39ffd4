import {
  type CrossServerMessage,
  createEnvelopeHeader,
  type EnvelopeHeader,
  type EnvelopePosition,
} from "@cm/protocol";

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

/** What one origin sent on one channel so far. */
export class Inbound {
  readonly origin: string;
  /** What its messages begin with, where they all go to the same target. */
  readonly header: EnvelopeHeader | undefined;
  #epoch: number | undefined;
  #sequence = 0;

  constructor({ kind, origin, target }: CrossServerMessage) {
    this.origin = origin;
    this.header = kind === "room" ? createEnvelopeHeader({ kind, origin, target, except: [] }) : undefined;
  }

  judge({ epoch, sequence }: EnvelopePosition): Arrival {
    if (sequence === 0) return FRESH;
    const before = this.#epoch === epoch ? this.#sequence : 0;
    // Nothing is known of what came before this subscription.
    const isFirst = this.#epoch === undefined;
    const step = sequence - before;
    if (step <= 0) return DUPLICATE;
    this.#epoch = epoch;
    this.#sequence = sequence;
    return step === 1 || isFirst ? FRESH : { kind: "after-gap", missed: step - 1 };
  }
}

/**
 * What arrived on one channel, by origin. A channel keeps one order, and each origin
 * numbers what it publishes there without holes: a number that was passed already is a
 * duplicate (the client library sends a publish again when the link broke under it),
 * and a number too far ahead shows a loss.
 */
export class Arrivals {
  readonly #origins = new Map<string, Inbound>();
  /** The one that sent last: often the one that sends next. */
  #latest: Inbound | undefined;

  /** Where a message belongs. */
  of(message: CrossServerMessage): Inbound {
    let inbound = this.#origins.get(message.origin);
    if (inbound === undefined) {
      if (this.#origins.size >= MAX_ORIGINS) this.#origins.clear();
      inbound = new Inbound(message);
      this.#origins.set(message.origin, inbound);
    }
    this.#latest = inbound;
    return inbound;
  }

  /**
   * Where a message belongs, told by its bytes alone: it costs a fraction of decoding.
   * `undefined` where that can't be told so.
   */
  recognise(bytes: Uint8Array): Inbound | undefined {
    if (this.#latest?.header?.leads(bytes)) return this.#latest;
    for (const inbound of this.#origins.values()) {
      if (inbound === this.#latest || !inbound.header?.leads(bytes)) continue;
      this.#latest = inbound;
      return inbound;
    }
    return undefined;
  }
}
