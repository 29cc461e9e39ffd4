import {
  type CrossServerMessage,
  createEnvelopeHeader,
  type EnvelopeHeader,
  type EnvelopePosition,
} from "@cm/protocol";
import { originHash } from "./delivered-fingerprints.js";

/** The position of an origin's sequencer on a channel, as the origin reports it. */
export interface ToldPosition extends EnvelopePosition {
  /** Whether the sequencer began after the channel was subscribed here: then every number should have arrived. */
  readonly isWhole: boolean;
}

/** What a message's number says about it. */
export type Verdict =
  | { readonly kind: "fresh" }
  | { readonly kind: "duplicate" }
  /** Deliver it; `missed` messages before it are missing. */
  | { readonly kind: "after-gap"; readonly missed: number }
  /** Deliver it; its number is too far from the last one to be believed, and was not taken for the last. */
  | { readonly kind: "implausible" };

const FRESH: Verdict = { kind: "fresh" };
const DUPLICATE: Verdict = { kind: "duplicate" };
const IMPLAUSIBLE: Verdict = { kind: "implausible" };

/** More origins than any cluster has: bounds the memory that a hostile publisher on the bus can take. */
const MAX_ORIGINS = 10_000;

/**
 * The most known headers that a message is compared with before it is decoded, which costs more than a
 * comparison and less than thousands: strangers with ever new names must not slow every message down.
 */
const COMPARED_MAX = 32;

/**
 * The most messages that one jump of a number counts as missing: 20 minutes at 1,000 a second.
 * A larger one is damaged or forged, and says nothing about how many are missing.
 */
const MISSED_MAX = 1_000_000;

/** Where a message comes from, and whether it is stamped by a room's history. */
export type MessageSource = Pick<CrossServerMessage, "kind" | "origin" | "target" | "isStamped">;

/** Judges the numbers of one origin's messages on one channel. */
export class SequenceTracker {
  readonly origin: string;
  /** See {@link originHash}. */
  readonly originHash: number;
  /** The header that all its messages share, if they have the same target. */
  readonly header: EnvelopeHeader | undefined;
  /** Whether they are stamped by a room's history. */
  readonly isStamped: boolean;
  #epoch: number | undefined;
  #sequence = 0;
  /** The latest number that was not believed, with its epoch: one that follows on it is. */
  #unbelieved: EnvelopePosition | undefined;
  /** Number of the first message that arrived. */
  #first = 0;
  /** The epoch when members had last been told of every gap on the channel. */
  #settledEpoch: number | undefined;

  constructor({ kind, origin, target, isStamped = false }: MessageSource) {
    this.origin = origin;
    this.originHash = originHash(origin);
    this.isStamped = isStamped;
    this.header = kind === "room" ? createEnvelopeHeader({ kind, origin, target, isStamped, except: [] }) : undefined;
  }

  /** Whether any number was judged: none is where a room's history orders the messages. */
  get isJudged(): boolean {
    return this.#epoch !== undefined;
  }

  /** Whether no second message was judged. */
  get isSingle(): boolean {
    return this.#epoch === undefined || this.#sequence === this.#first;
  }

  judge({ epoch, sequence }: EnvelopePosition): Verdict {
    if (sequence === 0) return FRESH;
    const before = this.#epoch === epoch ? this.#sequence : 0;
    // The subscription begins here: earlier messages are unknown.
    const isFirst = this.#epoch === undefined;
    const step = sequence - before;
    if (step <= 0) return DUPLICATE;
    if (!isFirst && step - 1 > MISSED_MAX) {
      const isNext = this.#unbelieved?.epoch === epoch && this.#unbelieved.sequence === sequence - 1;
      this.#unbelieved = { epoch, sequence };
      if (!isNext) return IMPLAUSIBLE;
      // The origin really is there: it goes on.
      this.#epoch = epoch;
      this.#sequence = sequence;
      return FRESH;
    }
    if (isFirst) this.#first = sequence;
    this.#epoch = epoch;
    this.#sequence = sequence;
    return step === 1 || isFirst ? FRESH : { kind: "after-gap", missed: step - 1 };
  }

  /** Closes the past: gaps up to here were reported, or can't be. */
  settle(): void {
    this.#settledEpoch = this.#epoch;
  }

  /**
   * The number of messages up to the reported position that are missing and were not reported as
   * a gap yet; `undefined` if that can't be known.
   */
  missing(told: ToldPosition): number | undefined {
    const isNew = this.#settledEpoch === undefined;
    if (told.sequence === 0) {
      // The origin had no sequencer when it answered; one that began since has lost nothing.
      return this.#epoch === undefined || (isNew && this.#first === 1) ? 0 : undefined;
    }
    if (this.#epoch === undefined) return told.isWhole && told.sequence <= MISSED_MAX ? told.sequence : undefined;
    if (this.#epoch !== told.epoch) return undefined;
    const since = Math.max(0, told.sequence - this.#sequence);
    if (since > MISSED_MAX) return undefined;
    if (!isNew) return this.#settledEpoch === told.epoch ? since : undefined;
    return told.isWhole || this.#first === 1 ? since + this.#first - 1 : undefined;
  }

  /** Moves to the position that the origin reported, so that no gap is reported twice. */
  catchUp(told: EnvelopePosition): void {
    // A new epoch that has begun to arrive since is the later one.
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

/** The trackers of channels on which nothing was heard yet. Nothing is ever put into it. */
const NONE = new Map<string, SequenceTracker>();

/**
 * The sequence trackers of one channel, by origin. A channel keeps one order, and each origin
 * numbers its messages there 1, 2, 3, ... So a number at or below the last one is a duplicate
 * (the client library resends a publish when the link breaks under it), and a jump is a gap: 5
 * after 2 means that 3 and 4 are missing.
 */
export class ChannelTracker {
  /** `NONE` before the first message: most rooms are quiet, and a server may hold many. */
  #origins: Map<string, SequenceTracker> = NONE;
  /** The origin of the latest message: often that of the next one, too. */
  #latest: SequenceTracker | undefined;

  /** The tracker of a message's origin. */
  of(message: MessageSource): SequenceTracker {
    let inbound = this.#origins.get(message.origin);
    // Its process was replaced by one that does (or no longer does) stamp, under the same server id.
    if (inbound === undefined || inbound.isStamped !== (message.isStamped ?? false)) {
      if (this.#origins === NONE) this.#origins = new Map();
      if (this.#origins.size >= MAX_ORIGINS) this.#makeRoom();
      inbound = new SequenceTracker(message);
      this.#origins.set(message.origin, inbound);
    }
    this.#latest = inbound;
    return inbound;
  }

  get(origin: string): SequenceTracker | undefined {
    return this.#origins.get(origin);
  }

  /** The origins seen so far. */
  origins(): Iterable<string> {
    return this.#origins.keys();
  }

  /** Drops an origin that is gone for good. */
  forget(origin: string): void {
    if (this.#latest?.origin === origin) this.#latest = undefined;
    this.#origins.delete(origin);
  }

  /** Whether the numbers of any origin are judged. */
  get areJudged(): boolean {
    for (const inbound of this.#origins.values()) if (inbound.isJudged) return true;
    return false;
  }

  /** See {@link SequenceTracker.settle}. */
  settle(): void {
    for (const inbound of this.#origins.values()) inbound.settle();
  }

  /**
   * The tracker of a message, found by comparing its first bytes, which costs a fraction of
   * decoding it. `undefined` if no known header matches.
   */
  recognise(bytes: Uint8Array): SequenceTracker | undefined {
    if (this.#latest?.header?.leads(bytes)) return this.#latest;
    let compared = 0;
    for (const inbound of this.#origins.values()) {
      if (++compared > COMPARED_MAX) break;
      if (inbound === this.#latest || !inbound.header?.leads(bytes)) continue;
      this.#latest = inbound;
      return inbound;
    }
    return undefined;
  }

  /** Forgets origins of a single message, as a stranger with ever new names sends them; else the older half. */
  #makeRoom(): void {
    for (const [origin, inbound] of this.#origins) if (inbound.isSingle) this.#origins.delete(origin);
    if (this.#origins.size < MAX_ORIGINS) return;
    for (const origin of [...this.#origins.keys()].slice(0, MAX_ORIGINS / 2)) this.#origins.delete(origin);
  }
}
