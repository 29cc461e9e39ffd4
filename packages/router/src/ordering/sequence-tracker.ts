import {
  type CrossServerMessage,
  createEnvelopeHeader,
  type EnvelopeHeader,
  type EnvelopePosition,
} from "@cm/protocol";
import { originHash } from "./delivered-fingerprints.js";

/** What an origin says of its numbering of a channel. */
export interface ToldPosition extends EnvelopePosition {
  /** Whether it began after the channel was subscribed here: then all of it should have arrived. */
  readonly isWhole: boolean;
}

/** What a receiver makes of a message's position. */
export type Verdict =
  | { readonly kind: "fresh" }
  | { readonly kind: "duplicate" }
  /** It is to be delivered; so many before it are missing. */
  | { readonly kind: "after-gap"; readonly missed: number };

const FRESH: Verdict = { kind: "fresh" };
const DUPLICATE: Verdict = { kind: "duplicate" };

/** More origins than any cluster has; bounds what a stranger on the bus could make us keep. */
const MAX_ORIGINS = 10_000;

/** Where a message comes from, and whether it is stamped by a room's history. */
export type MessageSource = Pick<CrossServerMessage, "kind" | "origin" | "target" | "isStamped">;

/** What one origin sent on one channel so far. */
export class SequenceTracker {
  readonly origin: string;
  /** See {@link originHash}. */
  readonly originHash: number;
  /** What its messages begin with, where they all go to the same target. */
  readonly header: EnvelopeHeader | undefined;
  /** Whether they are stamped by a room's history. */
  readonly isStamped: boolean;
  #epoch: number | undefined;
  #sequence = 0;
  /** Number of the first message that arrived. */
  #first = 0;
  /** The epoch as it was when the channel was last known to be without a hole that nobody was told of. */
  #settledEpoch: number | undefined;

  constructor({ kind, origin, target, isStamped = false }: MessageSource) {
    this.origin = origin;
    this.originHash = originHash(origin);
    this.isStamped = isStamped;
    this.header = kind === "room" ? createEnvelopeHeader({ kind, origin, target, isStamped, except: [] }) : undefined;
  }

  /** Whether numbers of its messages were judged: they are not where a room's history orders them. */
  get isJudged(): boolean {
    return this.#epoch !== undefined;
  }

  judge({ epoch, sequence }: EnvelopePosition): Verdict {
    if (sequence === 0) return FRESH;
    const before = this.#epoch === epoch ? this.#sequence : 0;
    // Nothing is known of what came before this subscription.
    const isFirst = this.#epoch === undefined;
    const step = sequence - before;
    if (step <= 0) return DUPLICATE;
    if (isFirst) this.#first = sequence;
    this.#epoch = epoch;
    this.#sequence = sequence;
    return step === 1 || isFirst ? FRESH : { kind: "after-gap", missed: step - 1 };
  }

  /** From here on only what comes is looked at: what is missing so far was told of, or can't be. */
  settle(): void {
    this.#settledEpoch = this.#epoch;
  }

  /**
   * How many messages are missing, up to where the origin says that it is, of those that
   * nobody was told of; `undefined` where that can't be known.
   */
  missing(told: ToldPosition): number | undefined {
    const isNew = this.#settledEpoch === undefined;
    if (told.sequence === 0) {
      // It had no numbering when it answered. What began since has lost nothing.
      return this.#epoch === undefined || (isNew && this.#first === 1) ? 0 : undefined;
    }
    if (this.#epoch === undefined) return told.isWhole ? told.sequence : undefined;
    if (this.#epoch !== told.epoch) return undefined;
    const since = Math.max(0, told.sequence - this.#sequence);
    if (!isNew) return this.#settledEpoch === told.epoch ? since : undefined;
    return told.isWhole || this.#first === 1 ? since + this.#first - 1 : undefined;
  }

  /** Goes on from where the origin says that it is, so that no hole is told of twice. */
  catchUp(told: EnvelopePosition): void {
    // Where another numbering has begun to arrive since, that is the later one.
    const isUnchanged = this.#epoch === this.#settledEpoch;
    if (told.sequence === 0) {
      if (isUnchanged) this.#epoch = undefined;
    } else if (this.#epoch === told.epoch) {
      this.#sequence = Math.max(this.#sequence, told.sequence);
    } else if (isUnchanged) {
      this.#epoch = told.epoch;
      this.#sequence = told.sequence;
    }
    this.settle();
  }
}

/**
 * What arrived on one channel, by origin. A channel keeps one order, and each origin
 * numbers what it publishes there without holes: a number that was passed already is a
 * duplicate (the client library sends a publish again when the link broke under it),
 * and a number too far ahead shows a loss.
 */
export class ChannelTracker {
  readonly #origins = new Map<string, SequenceTracker>();
  /** The one that sent last: often the one that sends next. */
  #latest: SequenceTracker | undefined;

  /** Where a message belongs. */
  of(message: MessageSource): SequenceTracker {
    let inbound = this.#origins.get(message.origin);
    // It was replaced by one that stamps, or no longer does, under the same id.
    if (inbound === undefined || inbound.isStamped !== (message.isStamped ?? false)) {
      if (this.#origins.size >= MAX_ORIGINS) this.#origins.clear();
      inbound = new SequenceTracker(message);
      this.#origins.set(message.origin, inbound);
    }
    this.#latest = inbound;
    return inbound;
  }

  get(origin: string): SequenceTracker | undefined {
    return this.#origins.get(origin);
  }

  /** The origins that messages came from. */
  origins(): Iterable<string> {
    return this.#origins.keys();
  }

  /** An origin that is gone for good. */
  forget(origin: string): void {
    if (this.#latest?.origin === origin) this.#latest = undefined;
    this.#origins.delete(origin);
  }

  /** Whether there are origins whose numbers count. */
  get areJudged(): boolean {
    for (const inbound of this.#origins.values()) if (inbound.isJudged) return true;
    return false;
  }

  /** See {@link SequenceTracker.settle}. */
  settle(): void {
    for (const inbound of this.#origins.values()) inbound.settle();
  }

  /**
   * Where a message belongs, told by its bytes alone: it costs a fraction of decoding.
   * `undefined` where that can't be told so.
   */
  recognise(bytes: Uint8Array): SequenceTracker | undefined {
    if (this.#latest?.header?.leads(bytes)) return this.#latest;
    for (const inbound of this.#origins.values()) {
      if (inbound === this.#latest || !inbound.header?.leads(bytes)) continue;
      this.#latest = inbound;
      return inbound;
    }
    return undefined;
  }
}
