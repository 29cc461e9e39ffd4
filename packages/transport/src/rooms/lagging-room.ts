import type { SlowReaderPolicy } from "./slow-readers.js";

/** What frames that are kept cost beside their bytes, about. */
const FRAME_OVERHEAD_BYTES = 128;

/** The most keys of which a room keeps the latest message. */
const KEYS_MAX = 1_024;

/** A member of a room that gets nothing of it until it has read. */
export class Lag {
  /** How many messages the room had had when the member fell behind. */
  readonly from: number;
  /** Of those that came since, the ones that were not for this member. */
  excepted = 0;
  /** Messages that were lost on their way to this server meanwhile; `undefined` where the number is not known. */
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

/** What a member that has read again is to be told of its absence. */
export interface Absence {
  /** The messages that it gets after all, in order. */
  readonly kept: readonly Uint8Array[];
  /** How many it does not get. */
  readonly missed: number;
  /** Whether `kept` has the latest message of every key. */
  readonly isWhole: boolean;
}

/** Bytes that all rooms keep. */
export interface KeptBudget {
  bytes: number;
  readonly maxBytes: number;
}

/**
 * A room whose policy is `drop` or `latest`. While it has members that are behind, it numbers its messages,
 * so that what each of them missed is a difference and a message costs the same however many they are;
 * the latest messages are kept once for all of them.
 */
export class LaggingRoom {
  readonly name: string;
  readonly policy: Exclude<SlowReaderPolicy, "close">;
  /** Members, those that are behind among them. */
  members = 0;
  readonly behind = new Map<string, Lag>();
  readonly #budget: KeptBudget;
  readonly #maxKeptBytes: number;
  #count = 0;
  /** By key, the oldest first. */
  readonly #kept = new Map<string, Kept>();
  #keptBytes = 0;
  /** The number of the latest message that was a key's latest, and for which there was no room. */
  #evicted = 0;

  constructor(name: string, policy: LaggingRoom["policy"], maxKeptBytes: number, budget: KeptBudget) {
    this.name = name;
    this.policy = policy;
    this.#maxKeptBytes = maxKeptBytes;
    this.#budget = budget;
  }

  /** A member gets nothing from now on. */
  fallBehind(connectionId: string): Lag {
    const lag = new Lag(this.#count);
    this.behind.set(connectionId, lag);
    return lag;
  }

  /** A member gets everything from now on, or is gone. */
  caughtUp(connectionId: string): void {
    this.behind.delete(connectionId);
    if (this.behind.size > 0) return;
    this.#count = 0;
    this.#evicted = 0;
    this.#kept.clear();
    this.#budget.bytes -= this.#keptBytes;
    this.#keptBytes = 0;
  }

  /** A message is sent to the members that are not behind. */
  leaveOut(frame: Uint8Array, except: readonly string[], keyOf: (frame: Uint8Array) => string): void {
    this.#count++;
    for (const id of except.length > 1 ? new Set(except) : except) {
      const lag = this.behind.get(id);
      if (lag !== undefined) lag.excepted++;
    }
    if (this.policy === "latest") this.#keep(keyOf(frame), { number: this.#count, bytes: Buffer.from(frame), except });
  }

  /** Messages of the room were lost on their way to this server. */
  lost(missed: number | undefined): void {
    for (const lag of this.behind.values()) {
      lag.lost = missed === undefined || lag.lost === undefined ? undefined : lag.lost + missed;
    }
  }

  /** What a member missed so far, if it gets what is kept. */
  absenceOf(connectionId: string, lag: Lag): Absence {
    const kept: Uint8Array[] = [];
    for (const { number, bytes, except } of this.#kept.values()) {
      if (number > lag.from && !except.includes(connectionId)) kept.push(bytes);
    }
    const isWhole = this.policy === "latest" && this.#evicted <= lag.from;
    return { kept, missed: this.leftOutOf(lag) - kept.length, isWhole };
  }

  /** What a member missed so far, if it gets nothing of it. */
  leftOutOf({ from, excepted }: Lag): number {
    return this.#count - from - excepted;
  }

  #keep(key: string, kept: Kept): void {
    this.#forget(key);
    // Behind the others, in the order of the messages.
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
