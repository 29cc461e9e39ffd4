import type { SlowReaderPolicy } from "./slow-reader-options.js";

/** Approximate memory of a kept frame in addition to its own bytes, in bytes. */
const FRAME_OVERHEAD_BYTES = 128;

/** Maximum number of keys for which a room keeps the latest message. */
const KEYS_MAX = 1_024;

/** The state of a member that gets no messages of the room until it has read. */
export class BehindState {
  /** Number of messages that the room had counted when the member fell behind. */
  readonly from: number;
  /** Number of messages since then that were not meant for this member. */
  excepted = 0;
  /** Number of messages since then that were lost on their way to this server; `undefined` if it is not known. */
  lost: number | undefined = 0;

  constructor(from: number) {
    this.from = from;
  }
}

/** The latest message of a key. */
interface Kept {
  readonly number: number;
  readonly bytes: Uint8Array;
  readonly except: readonly string[];
}

/** What a member missed while it was behind. */
export interface Absence {
  /** The kept messages that the member now gets, in order. */
  readonly kept: readonly Uint8Array[];
  /** Number of messages that the member does not get. */
  readonly missed: number;
  /** Whether `kept` contains the latest message of every key. */
  readonly isWhole: boolean;
}

/** Number of bytes that all rooms together keep; one object shared by all rooms. */
export interface KeptBudget {
  bytes: number;
  readonly maxBytes: number;
}

/**
 * A room whose policy is `drop` or `latest`. While members are behind, the room counts its messages: the number
 * of messages that a member missed is the difference of two counts, so the cost of a message does not depend on
 * the number of members that are behind. The latest messages are kept once for all of these members.
 */
export class RoomBehind {
  readonly name: string;
  readonly policy: Exclude<SlowReaderPolicy, "close">;
  /** Number of members, including those that are behind. */
  members = 0;
  readonly behind = new Map<string, BehindState>();
  readonly #budget: KeptBudget;
  readonly #maxKeptBytes: number;
  #count = 0;
  /** The latest message of each key, the oldest message first. */
  readonly #kept = new Map<string, Kept>();
  #keptBytes = 0;
  /** The number of the newest message that was evicted although it was the latest of its key; 0 if none was. */
  #evicted = 0;

  constructor(name: string, policy: RoomBehind["policy"], maxKeptBytes: number, budget: KeptBudget) {
    this.name = name;
    this.policy = policy;
    this.#maxKeptBytes = maxKeptBytes;
    this.#budget = budget;
  }

  /** Marks a member that gets no messages from now on. */
  fallBehind(connectionId: string): BehindState {
    const state = new BehindState(this.#count);
    this.behind.set(connectionId, state);
    return state;
  }

  /** Removes the mark of a member that gets all messages again, or has left. */
  caughtUp(connectionId: string): void {
    this.behind.delete(connectionId);
    if (this.behind.size > 0) return;
    this.#count = 0;
    this.#evicted = 0;
    this.#kept.clear();
    this.#budget.bytes -= this.#keptBytes;
    this.#keptBytes = 0;
  }

  /** Records a message that is sent to the members that are not behind. */
  skip(frame: Uint8Array, except: readonly string[], keyOf: (frame: Uint8Array) => string): void {
    this.#count++;
    for (const id of except.length > 1 ? new Set(except) : except) {
      const state = this.behind.get(id);
      if (state !== undefined) state.excepted++;
    }
    if (this.policy === "latest") this.#keep(keyOf(frame), { number: this.#count, bytes: Buffer.from(frame), except });
  }

  /** Records that messages of the room were lost on their way to this server. */
  lost(missed: number | undefined): void {
    for (const state of this.behind.values()) {
      state.lost = missed === undefined || state.lost === undefined ? undefined : state.lost + missed;
    }
  }

  /** What a member has missed so far, assuming that it now gets the kept messages. */
  absenceOf(connectionId: string, state: BehindState): Absence {
    const kept: Uint8Array[] = [];
    for (const { number, bytes, except } of this.#kept.values()) {
      if (number > state.from && !except.includes(connectionId)) kept.push(bytes);
    }
    const isWhole = this.policy === "latest" && this.#evicted <= state.from;
    return { kept, missed: this.skippedBy(state) - kept.length, isWhole };
  }

  /** Number of messages that a member has missed so far, assuming that it gets none of the kept messages. */
  skippedBy({ from, excepted }: BehindState): number {
    return this.#count - from - excepted;
  }

  #keep(key: string, kept: Kept): void {
    this.#forget(key);
    // Append the message, so that the map is in the order of the messages.
    this.#kept.set(key, kept);
    this.#grow(sizeOf(key, kept));
    for (const [oldest, { number }] of this.#kept) {
      const fits = this.#keptBytes <= this.#maxKeptBytes && this.#budget.bytes <= this.#budget.maxBytes;
      if (fits && this.#kept.size <= KEYS_MAX) return;
      this.#forget(oldest);
      this.#evicted = number;
    }
  }

  #forget(key: string): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    this.#kept.delete(key);
    this.#grow(-sizeOf(key, kept));
  }

  #grow(bytes: number): void {
    this.#keptBytes += bytes;
    this.#budget.bytes += bytes;
  }
}

function sizeOf(key: string, { bytes }: Kept): number {
  return 2 * key.length + bytes.byteLength + FRAME_OVERHEAD_BYTES;
}
