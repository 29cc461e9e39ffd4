import { setTimeout as sleep } from "node:timers/promises";
import type { History, HistoryPosition, HistorySlice, StampedDraft } from "@cm/protocol";
import { DeliveredFingerprints } from "../ordering/delivered-fingerprints.js";
import { FURTHEST, type OrderedMessage } from "./ordered-message.js";

/** Options of {@link HistoryReader}. */
export interface HistoryReaderOptions {
  readonly room: string;
  readonly history: History;
  /** The notice that is published when a new epoch begins. */
  readonly notice: StampedDraft;
  /** Decodes a stored message. Returns `undefined` if the message is damaged. */
  readonly read: (message: Uint8Array) => Omit<OrderedMessage, "at"> | undefined;
  /** Aborts all reads. */
  readonly signal: AbortSignal;
}

/** The state of the reader's room at the time of a read. */
export interface HistoryReading {
  /** The latest message that was delivered. */
  readonly at: HistoryPosition;
  /** The highest offset received under the epoch of `at`. */
  readonly reached: () => number;
  /** Whether to compare stored messages with delivered ones if the history is in doubt. */
  readonly compares: boolean;
  /** Whether no message is waiting, so that the read may be retried without a time limit. */
  readonly hasTime: () => boolean;
}

/** Maximum number of messages per read of a history. */
export const PAGE = 200;

/** Pause after a failed read, in milliseconds; doubled after each further failure, up to RETRY_MAX_MS. */
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 1_000;

/** Number of new epochs begun during one read before the reader pauses. */
const RESTARTS_MAX = 3;

/** Maximum time that messages are held back while earlier ones cannot be read, in milliseconds. */
const HOLD_MAX_MS = 10_000;

/**
 * Reads a room's history, and detects if the store was set back to an older state. A history that was set
 * back assigns offsets a second time: offset 7 then identifies another message than the one that was
 * delivered as 7. The reader then begins a new epoch and announces it to all servers.
 */
export class HistoryReader {
  readonly #options: HistoryReaderOptions;
  /** Fingerprints of the latest delivered messages, all of one epoch. */
  readonly #recent = new DeliveredFingerprints();
  #recentEpoch = 0;
  /** Number of calls of {@link doubt}, so that {@link settle} clears only the doubts that it knows of. */
  #doubts = 0;
  #isDoubted = false;
  /** An epoch that is known to assign offsets a second time, so that the next read of it begins a new epoch. */
  #setBackEpoch: number | undefined;

  constructor(options: HistoryReaderOptions) {
    this.#options = options;
  }

  /** Whether the history may have been replaced under the same epoch. */
  get isDoubted(): boolean {
    return this.#isDoubted;
  }

  doubt(): void {
    this.#isDoubted = true;
    this.#doubts++;
  }

  /**
   * Returns a function that clears the current doubts, unless new doubts arise before the function is called.
   */
  settle(): () => void {
    const doubts = this.#doubts;
    return () => {
      if (doubts === this.#doubts) this.#isDoubted = false;
    };
  }

  delivered({ at, id }: OrderedMessage): void {
    if (at.epoch !== this.#recentEpoch) {
      this.#recent.clear();
      this.#recentEpoch = at.epoch;
    }
    this.#recent.add(at.offset, id);
  }

  /**
   * Whether this message was delivered under its offset; `undefined` if the offset is no longer remembered. If
   * another message was delivered under it, the next read begins a new epoch.
   */
  recognizes({ at, id }: OrderedMessage): boolean | undefined {
    const isSame = this.#isSame(at, id);
    if (isSame === false) this.#setBackEpoch = at.epoch;
    return isSame;
  }

  /** Whether another message was delivered under this one's position. */
  contradicts({ at, id }: Pick<OrderedMessage, "at" | "id">): boolean {
    return this.#isSame(at, id) === false;
  }

  /** Reads the next page. Resolves with `undefined` if it cannot be read in time or reading was aborted. */
  async read({ at, reached, compares, hasTime }: HistoryReading): Promise<HistorySlice | undefined> {
    const giveUpAtMs = performance.now() + HOLD_MAX_MS;
    let restarts = 0;
    let pauseMs = RETRY_MIN_MS;
    for (;;) {
      try {
        const slice = await this.#readOnce(at, reached(), compares);
        if (slice !== undefined) return slice;
        // A new epoch has begun; the next read returns it, unless it was lost again.
        if (++restarts < RESTARTS_MAX) continue;
      } catch {
        // The store reports its failures itself.
        if (!hasTime() && performance.now() >= giveUpAtMs) return undefined;
      }
      try {
        await sleep(pauseMs, undefined, { signal: this.#options.signal, ref: false });
      } catch {
        return undefined;
      }
      pauseMs = Math.min(2 * pauseMs, RETRY_MAX_MS);
    }
  }

  /** Makes one attempt to read. Resolves with `undefined` if the history was set back or replaced. */
  async #readOnce(at: HistoryPosition, reached: number, compares: boolean): Promise<HistorySlice | undefined> {
    const { history, room, notice } = this.#options;
    const { epoch, offset } = at;
    if (this.#setBackEpoch === epoch) await history.restart(room, { epoch, offset: FURTHEST }, notice);
    this.#setBackEpoch = undefined;
    const oldest = epoch === this.#recentEpoch ? this.#recent.oldest : 0;
    const from = compares && this.#isDoubted && oldest > 0 ? Math.min(offset, oldest - 1) : offset;
    const slice = await history.since(room, { epoch, offset: from }, PAGE);
    const { top, former } = slice;
    const isSetBack = top.epoch === epoch && top.offset < reached;
    // The server that began the new epoch knew a lower offset of the previous epoch than this server.
    const isPositionTooLow = former?.epoch === epoch && former.offset < reached;
    if (isSetBack || isPositionTooLow) {
      await history.restart(room, { epoch, offset: reached }, notice);
      return undefined;
    }
    if (top.epoch !== epoch) return slice;
    if (!this.#isSetBack(slice, offset)) return after(slice, offset);
    this.#setBackEpoch = epoch;
    return undefined;
  }

  #isSame({ epoch, offset }: HistoryPosition, id: number): boolean | undefined {
    return epoch === this.#recentEpoch ? this.#recent.isSame(offset, id) : undefined;
  }

  /** Whether the history contains other messages at offsets that were delivered. */
  #isSetBack({ top: { epoch }, entries }: HistorySlice, delivered: number): boolean {
    return entries.some(({ offset, message }) => {
      if (offset > delivered) return false;
      const stored = this.#options.read(message);
      return stored !== undefined && this.contradicts({ at: { epoch, offset }, id: stored.id });
    });
  }
}

/**
 * Returns the part of a slice after an offset. Entries that are missing before the offset do not make the result
 * incomplete.
 */
function after({ top, complete, former, entries }: HistorySlice, offset: number): HistorySlice {
  const [first] = entries;
  const isNextThere = first === undefined ? top.offset === offset : first.offset <= offset + 1;
  const later = entries.filter((entry) => entry.offset > offset);
  return { top, complete: complete || isNextThere, former, entries: later };
}
