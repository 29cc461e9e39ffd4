import {
  type CrossServerMessage,
  createEnvelopeHeader,
  type EnvelopeHeader,
  type EnvelopePosition,
} from "@cm/protocol";
import { originHash } from "./delivered-fingerprints.js";

/** The position of an origin's sequencer on a channel, as reported by the origin. */
export interface ReportedPosition extends EnvelopePosition {
  /**
   * Whether the sequencer began after this server subscribed to the channel, so that all of its numbers
   * should have arrived.
   */
  readonly isWhole: boolean;
}

/** The result of judging a message's number. */
export type Verdict =
  | { readonly kind: "fresh" }
  | { readonly kind: "duplicate" }
  /** Deliver the message; `missed` messages before it are missing. */
  | { readonly kind: "after-gap"; readonly missed: number }
  /** Deliver the message, but do not advance the tracker: its number is implausibly far ahead. */
  | { readonly kind: "implausible" };

const FRESH: Verdict = { kind: "fresh" };
const DUPLICATE: Verdict = { kind: "duplicate" };
const IMPLAUSIBLE: Verdict = { kind: "implausible" };

/**
 * Maximum number of origins, greater than the number of servers in any cluster. Bounds the memory that a
 * hostile publisher on the bus can use.
 */
const MAX_ORIGINS = 10_000;

/**
 * Maximum number of known headers that a message is compared with; if none matches, it is decoded. A few
 * comparisons are cheaper than decoding, thousands are not, and a hostile publisher that keeps changing its name
 * could add thousands of headers.
 */
const COMPARED_MAX = 32;

/**
 * Maximum number of messages that a single jump of the numbers counts as missing: 17 minutes at 1,000 messages a
 * second. A larger jump comes from a damaged or forged message and does not show how many are missing.
 */
const MISSED_MAX = 1_000_000;

/** The fields of a message that identify its source, and whether the message is stamped by a room's history. */
export type MessageSource = Pick<CrossServerMessage, "kind" | "origin" | "target" | "isStamped">;

/** Judges the numbers of one origin's messages on one channel. */
export class SequenceTracker {
  readonly origin: string;
  /** The hash of `origin`; see {@link originHash}. */
  readonly originHash: number;
  /**
   * The header of this origin's messages to the room that exclude no connection; `undefined` on a server's channel.
   */
  readonly header: EnvelopeHeader | undefined;
  /** Whether the messages are stamped by a room's history. */
  readonly isStamped: boolean;
  #epoch: number | undefined;
  #sequence = 0;
  #judged = 0;
  /**
   * The latest implausible number, with its epoch. If the number after it arrives, the tracker advances to that
   * number.
   */
  #unbelieved: EnvelopePosition | undefined;
  /** Number of the first message that arrived. */
  #first = 0;
  /** The epoch as of the last time that all gaps on the channel had been reported. */
  #markedEpoch: number | undefined;

  constructor({ kind, origin, target, isStamped = false }: MessageSource) {
    this.origin = origin;
    this.originHash = originHash(origin);
    this.isStamped = isStamped;
    this.header = kind === "room" ? createEnvelopeHeader({ kind, origin, target, isStamped, except: [] }) : undefined;
  }

  /** Whether the origin's epoch is known. Stays `false` while a room's history orders the messages instead. */
  get isJudged(): boolean {
    return this.#epoch !== undefined;
  }

  /** Number of messages that were judged. Messages without a number are not counted. */
  get judged(): number {
    return this.#judged;
  }

  judge({ epoch, sequence }: EnvelopePosition): Verdict {
    if (sequence === 0) return FRESH;
    this.#judged++;
    const before = this.#epoch === epoch ? this.#sequence : 0;
    // The messages before the first one that arrives are unknown, so they count as no gap.
    const isFirst = this.#epoch === undefined;
    const step = sequence - before;
    if (step <= 0) return DUPLICATE;
    if (!isFirst && step - 1 > MISSED_MAX) {
      const isNext = this.#unbelieved?.epoch === epoch && this.#unbelieved.sequence === sequence - 1;
      this.#unbelieved = { epoch, sequence };
      if (!isNext) return IMPLAUSIBLE;
      // The number follows the previous implausible one, so the origin really has reached this number.
      this.#epoch = epoch;
      this.#sequence = sequence;
      return FRESH;
    }
    if (isFirst) this.#first = sequence;
    this.#epoch = epoch;
    this.#sequence = sequence;
    return step === 1 || isFirst ? FRESH : { kind: "after-gap", missed: step - 1 };
  }

  /** Marks all gaps up to now as reported, or as impossible to determine. */
  markReported(): void {
    this.#markedEpoch = this.#epoch;
  }

  /**
   * The number of messages up to the reported position that are missing and were not reported as
   * a gap yet; `undefined` if the number cannot be determined.
   */
  missing(reported: ReportedPosition): number | undefined {
    const isNew = this.#markedEpoch === undefined;
    if (reported.sequence === 0) {
      // The origin had no sequencer when it responded. A sequencer that it started later has lost no
      // messages.
      return this.#epoch === undefined || (isNew && this.#first === 1) ? 0 : undefined;
    }
    if (this.#epoch === undefined)
      return reported.isWhole && reported.sequence <= MISSED_MAX ? reported.sequence : undefined;
    if (this.#epoch !== reported.epoch) return undefined;
    const since = Math.max(0, reported.sequence - this.#sequence);
    if (since > MISSED_MAX) return undefined;
    if (!isNew) return this.#markedEpoch === reported.epoch ? since : undefined;
    return reported.isWhole || this.#first === 1 ? since + this.#first - 1 : undefined;
  }

  /** Advances to the number reported by the origin, so that no gap is reported twice. */
  catchUp(reported: EnvelopePosition): void {
    // If messages of another epoch have arrived since the last `markReported`, that epoch is the later one.
    const isUnchanged = this.#epoch === this.#markedEpoch;
    if (reported.sequence === 0) {
      if (isUnchanged) this.#epoch = undefined;
    } else if (this.#epoch === reported.epoch) {
      this.#sequence = Math.max(this.#sequence, reported.sequence);
    } else if (isUnchanged) {
      this.#epoch = reported.epoch;
      this.#sequence = reported.sequence;
    }
    this.markReported();
  }
}

/** The trackers of channels without messages so far. Always empty. */
const NONE = new Map<string, SequenceTracker>();

/**
 * The sequence trackers of one channel, by origin. A channel preserves the order of messages, and each origin
 * numbers its messages on the channel 1, 2, 3, ... So a number at or below the last one is a duplicate (the
 * client library resends a publish if the link breaks during it), and a jump is a gap: 5 after 2 means that 3
 * and 4 are missing.
 */
export class ChannelTracker {
  /**
   * `NONE` before the first message, to save memory: a server may hold many rooms, and most of them are
   * quiet.
   */
  #origins: Map<string, SequenceTracker> = NONE;
  /** The tracker of the latest message, because the next message often has the same origin. */
  #latest: SequenceTracker | undefined;

  /** Returns the tracker of a message's origin, and creates it if needed. */
  of(message: MessageSource): SequenceTracker {
    let tracker = this.#origins.get(message.origin);
    // Start a new tracker also if a server restarted and now stamps its messages, or no longer does.
    if (tracker === undefined || tracker.isStamped !== (message.isStamped ?? false)) {
      if (this.#origins === NONE) this.#origins = new Map();
      if (this.#origins.size >= MAX_ORIGINS) this.#makeRoom();
      tracker = new SequenceTracker(message);
      this.#origins.set(message.origin, tracker);
    }
    this.#latest = tracker;
    return tracker;
  }

  get(origin: string): SequenceTracker | undefined {
    return this.#origins.get(origin);
  }

  /** The origins seen so far. */
  origins(): Iterable<string> {
    return this.#origins.keys();
  }

  /** Drops an origin that is permanently gone. */
  forget(origin: string): void {
    if (this.#latest?.origin === origin) this.#latest = undefined;
    this.#origins.delete(origin);
  }

  /** Whether the numbers of any origin are judged. */
  get areJudged(): boolean {
    for (const tracker of this.#origins.values()) if (tracker.isJudged) return true;
    return false;
  }

  /** See {@link SequenceTracker.markReported}. */
  markReported(): void {
    for (const tracker of this.#origins.values()) tracker.markReported();
  }

  /**
   * Finds the tracker of a message by comparing the message's first bytes, which costs a fraction of decoding
   * it. Returns `undefined` if no known header matches.
   */
  recognize(bytes: Uint8Array): SequenceTracker | undefined {
    if (this.#latest?.header?.leads(bytes)) return this.#latest;
    let compared = 0;
    for (const tracker of this.#origins.values()) {
      if (++compared > COMPARED_MAX) break;
      if (tracker === this.#latest || !tracker.header?.leads(bytes)) continue;
      this.#latest = tracker;
      return tracker;
    }
    return undefined;
  }

  /**
   * Drops half of the origins: those of which the fewest messages were judged, and among equal ones the newest.
   * An unknown publisher that keeps changing its name has few messages under each name, and comes later than
   * the servers.
   */
  #makeRoom(): void {
    const newestFirst = [...this.#origins.values()].reverse();
    const dropped = newestFirst.toSorted((a, b) => a.judged - b.judged).slice(0, MAX_ORIGINS / 2);
    for (const { origin } of dropped) this.#origins.delete(origin);
  }
}
