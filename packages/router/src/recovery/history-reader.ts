import { setTimeout as sleep } from "node:timers/promises";
import type { History, HistoryPosition, HistorySlice, StampedDraft } from "@cm/protocol";
import { DeliveredFingerprints } from "../ordering/delivered-fingerprints.js";
import type { OrderedMessage } from "./ordered-message.js";

/** What {@link HistoryReader} needs. */
export interface HistoryReaderOptions {
  readonly room: string;
  readonly history: History;
  /** What is published where another history begins. */
  readonly notice: StampedDraft;
  /** What a stored message says; `undefined` where it is damaged. */
  readonly read: (message: Uint8Array) => Omit<OrderedMessage, "at"> | undefined;
  /** Ends all reading. */
  readonly signal: AbortSignal;
}

/** Where a reader is. */
export interface Reading {
  /** The latest message that was delivered. */
  readonly at: HistoryPosition;
  /** The highest offset under the epoch of `at` that was heard. */
  readonly reached: () => number;
  /** Whether what is read is held against what was delivered, where that is in doubt. */
  readonly compares: boolean;
  /** Whether nobody waits any more, so that reading may be tried for as long as it takes. */
  readonly hasTime: () => boolean;
}

/** Messages asked of the history at a time. */
const PAGE = 200;

/** The pause between attempts to read a history that can't be read. */
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 1_000;

/** So long messages are held back while what comes before them can't be read. */
const HOLD_MAX_MS = 10_000;

/** Further than any history comes. */
const FURTHEST = Number.MAX_SAFE_INTEGER;

/**
 * Reads on in a room's history, and finds out whether that was set back: then it gives
 * offsets a second time, which shows in what was delivered under them. Another history is
 * begun then, which all servers learn of.
 */
export class HistoryReader {
  readonly #options: HistoryReaderOptions;
  /** What was delivered last. */
  readonly #recent = new DeliveredFingerprints();
  /** Grows with every reason to doubt that the history is the one that was delivered from. */
  #doubts = 0;
  #isDoubted = false;
  /** Whether it certainly is another: the next reading begins one that is neither. */
  #isForked = false;

  constructor(options: HistoryReaderOptions) {
    this.#options = options;
  }

  /** Whether the history may be another than the one that was delivered from, under the same epoch. */
  get isDoubted(): boolean {
    return this.#isDoubted;
  }

  doubt(): void {
    this.#isDoubted = true;
    this.#doubts++;
  }

  /** Ends the doubts that there are now, unless more come until it is called. */
  settle(): () => void {
    const doubts = this.#doubts;
    return () => {
      if (doubts === this.#doubts) this.#isDoubted = false;
    };
  }

  delivered({ at, id }: OrderedMessage): void {
    this.#recent.add(at.offset, id);
  }

  /** What was delivered is of another epoch than what comes next. */
  forget(): void {
    this.#recent.clear();
  }

  /** Whether it is what was delivered under its offset; `undefined` where that is not known any more. */
  recognises({ at, id }: OrderedMessage): boolean | undefined {
    const isSame = this.#recent.isSame(at.offset, id);
    if (isSame === false) this.#isForked = true;
    return isSame;
  }

  /** What comes next; `undefined` where it can't be read in time, or reading has ended. */
  async read({ at, reached, compares, hasTime }: Reading): Promise<HistorySlice | undefined> {
    const giveUpAtMs = performance.now() + HOLD_MAX_MS;
    for (let pauseMs = RETRY_MIN_MS; ; pauseMs = Math.min(2 * pauseMs, RETRY_MAX_MS)) {
      try {
        const slice = await this.#readOnce(at, reached(), compares);
        if (slice !== undefined) return slice;
        // Another history has begun: it says so when it is read.
        continue;
      } catch {
        // Whoever counts failures of the store hears of them elsewhere.
        if (!hasTime() && performance.now() >= giveUpAtMs) return undefined;
      }
      try {
        await sleep(pauseMs, undefined, { signal: this.#options.signal, ref: false });
      } catch {
        return undefined;
      }
    }
  }

  /** `undefined` where it was found to be set back. */
  async #readOnce(at: HistoryPosition, reached: number, compares: boolean): Promise<HistorySlice | undefined> {
    const { history, room, notice } = this.#options;
    const { epoch, offset } = at;
    if (this.#isForked) {
      await history.restart(room, { epoch, offset: FURTHEST }, notice);
      this.#isForked = false;
    }
    const { oldest } = this.#recent;
    const from = compares && this.#isDoubted && oldest > 0 ? Math.min(offset, oldest - 1) : offset;
    const slice = await history.since(room, { epoch, offset: from }, PAGE);
    const { top, former } = slice;
    const isSetBack = top.epoch === epoch && top.offset < reached;
    // Others knew less of the history before than this server.
    const isUndertold = former?.epoch === epoch && former.offset < reached;
    if (isSetBack || isUndertold) {
      await history.restart(room, { epoch, offset: reached }, notice);
      return undefined;
    }
    if (top.epoch !== epoch) return slice;
    this.#isForked = this.#contradicts(slice, offset);
    return this.#isForked ? undefined : after(slice, offset);
  }

  /** Whether it has other messages under offsets that were delivered. */
  #contradicts({ entries }: HistorySlice, delivered: number): boolean {
    return entries.some(({ offset, message }) => {
      if (offset > delivered) return false;
      const stored = this.#options.read(message);
      return stored !== undefined && this.#recent.isSame(offset, stored.id) === false;
    });
  }
}

/** What of a slice comes after a place in it. What is gone before that place is not missed. */
function after({ top, complete, former, entries }: HistorySlice, offset: number): HistorySlice {
  const [first] = entries;
  const isNextThere = first === undefined ? top.offset === offset : first.offset <= offset + 1;
  const later = entries.filter((entry) => entry.offset > offset);
  return { top, complete: complete || isNextThere, former, entries: later };
}
