import { setTimeout as sleep } from "node:timers/promises";
import type { History, HistoryPosition, HistorySlice, StampedDraft } from "@cm/protocol";
import { BUFFERED_MAX, ReorderBuffer } from "../ordering/reorder-buffer.js";
import { HistoryReader } from "./history-reader.js";
import { FURTHEST, type OrderedMessage } from "./ordered-message.js";

/** Called with each delivered message, whose bytes are only valid during the call; see {@link OrderedRoom.follow}. */
export type Follower = (message: OrderedMessage) => void;

/** Options of {@link OrderedRoom}. */
export interface OrderedRoomOptions {
  readonly room: string;
  readonly history: History;
  /** The notice that is published when a new epoch begins. */
  readonly notice: StampedDraft;
  readonly deliver: (payload: Uint8Array, except: readonly string[]) => void;
  /** Decodes a stored message; returns `undefined` and counts the message if it is damaged. */
  readonly read: (message: Uint8Array) => Omit<OrderedMessage, "at"> | undefined;
  /** Called with the number of lost messages, or with `undefined` if messages may have been lost. */
  readonly onGap: (missed: number | undefined) => void;
  readonly onDuplicate: () => void;
  /** Called for each message taken from the history. */
  readonly onFilled: () => void;
}

/**
 * Maximum number of former epochs whose last offset is remembered, so that late duplicates are recognised. A store
 * that evicts keys can begin a new epoch with every message, so each message in the reorder buffer may be of
 * another epoch.
 */
const FORMER_OFFSETS_MAX = BUFFERED_MAX;

/**
 * A store that evicts keys, or loses them repeatedly, begins a new epoch with every read. If more than EPOCHS_MAX
 * epochs begin within EPOCHS_WINDOW_MS, messages are delivered as they arrive, and the history is read again after
 * another EPOCHS_WINDOW_MS.
 */
const EPOCHS_MAX = 4;
const EPOCHS_WINDOW_MS = 1_000;

/**
 * Maximum time to wait for messages that the channel may still bring: a read can overtake messages that were
 * published before it, because they arrive over another connection.
 */
const IN_FLIGHT_MAX_MS = 1_000;
const IN_FLIGHT_POLL_MS = 5;

/**
 * Delivers the messages of one recoverable room strictly by offset: each once, in order. A gap is filled from the
 * history before any later message is delivered. A gap is reported only if the missing messages cannot be read from
 * the history.
 */
export class OrderedRoom {
  readonly #options: OrderedRoomOptions;
  readonly #followers = new Set<Follower>();
  /** Messages that arrive while the history is being read; `undefined` at other times. */
  #held: ReorderBuffer | undefined = new ReorderBuffer();
  #catchingUp: Promise<boolean> | undefined;
  /** Position of the latest delivered message. */
  #at: HistoryPosition = { epoch: 0, offset: 0 };
  /**
   * The offsets reached under former epochs, in the order in which the epochs ended, so that nothing is
   * delivered twice.
   */
  readonly #formerOffsets = new Map<number, number>();
  #isAskedAgain = false;
  /** Whether the channel may have been interrupted since the messages were last known to be complete. */
  #isInterrupted = false;
  readonly #reader: HistoryReader;
  readonly #stop = new AbortController();
  /** Number of new epochs in the current period of {@link EPOCHS_WINDOW_MS}. */
  #epochs = 0;
  #epochsSinceMs = Number.NEGATIVE_INFINITY;
  /** Set while the history is unreliable, because new epochs follow each other too quickly. */
  #unreliableTimer: NodeJS.Timeout | undefined;

  constructor(options: OrderedRoomOptions) {
    this.#options = options;
    this.#reader = new HistoryReader({ ...options, signal: this.#stop.signal });
  }

  /** The position of the latest message delivered on this server. */
  get position(): HistoryPosition {
    return this.#at;
  }

  /**
   * Begins delivery at the current position of the history. Called once the channel is subscribed. Rejects if
   * the history cannot be read.
   */
  async open(): Promise<void> {
    this.#at = (await this.#options.history.since(this.#options.room)).top;
    if (this.#release() && !this.#isAskedAgain) this.#held = undefined;
    else await this.catchUp();
  }

  close(): void {
    this.#stop.abort();
    clearTimeout(this.#unreliableTimer);
    this.#held = undefined;
    this.#followers.clear();
  }

  /** Handles a message that arrived on the channel. */
  take(message: OrderedMessage): void {
    if (this.#stop.signal.aborted) return;
    if (this.#held !== undefined) {
      this.#held.add(message);
    } else if (this.#unreliableTimer !== undefined) {
      this.#passUnordered(message);
    } else if (!this.#pass(message)) {
      this.#held = new ReorderBuffer();
      this.#held.add(message);
      void this.catchUp();
    }
  }

  /**
   * Delivers the messages that the history has and this server has not delivered yet. Resolves when all of
   * them are delivered or reading has failed: with `true` if all were available. Never rejects.
   */
  catchUp(): Promise<boolean> {
    // The read in progress may have begun before this call.
    this.#isAskedAgain = true;
    if (this.#catchingUp !== undefined) return this.#catchingUp;
    if (this.#at.epoch === 0) return Promise.resolve(false); // The room is being opened, and reads the history then.
    this.#held ??= new ReorderBuffer();
    this.#catchingUp = this.#catchUp();
    return this.#catchingUp;
  }

  /** Like {@link catchUp}, after an interruption of the channel. */
  resumed(): Promise<boolean> {
    this.#isInterrupted = true;
    this.#reader.doubt();
    return this.catchUp();
  }

  /**
   * Reads the history to resolve doubts about it. Called when the link is proven to work again after an
   * interruption.
   */
  proven(): void {
    if (!this.#reader.isDoubted) return;
    void this.catchUp().then(this.#reader.settle());
  }

  /** Calls the follower with each message delivered from now on. Returns a function that stops this. */
  follow(follower: Follower): () => void {
    this.#followers.add(follower);
    return () => void this.#followers.delete(follower);
  }

  /** Delivers the next message or drops a duplicate. Returns `false` if the history must be read first. */
  #pass(message: OrderedMessage): boolean {
    const { epoch, offset } = message.at;
    // Only the store knows which of two epochs is the later one.
    if (epoch !== this.#at.epoch || offset > this.#at.offset + 1) return false;
    if (offset > this.#at.offset) {
      this.#deliver(message);
      return true;
    }
    // This is the notice of the epoch that this server is already in.
    if (offset === 0) return true;
    const isKnown = this.#reader.recognises(message);
    if (isKnown === undefined) this.#reader.doubt();
    if (isKnown !== true) return false;
    this.#options.onDuplicate();
    return true;
  }

  /** Delivers a message that was not delivered before, without consulting the history. */
  #passUnordered(message: OrderedMessage): void {
    const { epoch, offset } = message.at;
    const reached = epoch === this.#at.epoch ? this.#at.offset : (this.#formerOffsets.get(epoch) ?? 0);
    // A notice has offset 0.
    if (offset === 0) return;
    if (offset <= reached) {
      this.#options.onDuplicate();
      return;
    }
    if (offset > reached + 1) this.#options.onGap(undefined);
    this.#deliver(message);
  }

  #deliver(message: OrderedMessage): void {
    this.#move(message.at);
    this.#reader.delivered(message);
    this.#options.deliver(message.payload, message.except);
    for (const follower of this.#followers) follower(message);
  }

  async #catchUp(): Promise<boolean> {
    let isWhole = true;
    try {
      do {
        this.#isAskedAgain = false;
        const mark = this.#held?.mark() ?? 0;
        const outcome = await this.#fill(mark);
        if (this.#stop.signal.aborted) return false;
        isWhole &&= outcome === "whole";
      } while (!this.#release() || this.#isAskedAgain);
      return isWhole;
    } finally {
      // Reset in the same step as the release, so that the next message does not find a finished catch-up.
      this.#held = undefined;
      this.#isInterrupted = false;
      this.#catchingUp = undefined;
    }
  }

  /**
   * Delivers the buffered messages in order. Returns `false` if the history must be read again, for example at a
   * gap.
   */
  #release(): boolean {
    const held = this.#held;
    if (held === undefined) return true;
    if (held.takeOverflow()) return false;
    for (let message = held.first; message !== undefined; message = held.first) {
      const { at } = message;
      const isFilled = at.epoch === this.#at.epoch && at.offset <= this.#at.offset;
      const isAsExpected = isFilled ? this.#reader.recognises(message) !== false : this.#pass(message);
      if (!isAsExpected) return false;
      held.dropFirst();
    }
    return true;
  }

  /** Delivers messages from the history, up to its end. */
  async #fill(mark: number): Promise<"whole" | "gap" | "unread"> {
    let outcome: "whole" | "gap" = "whole";
    // Only the first read compares: later pages belong to the same history.
    for (let isFirst = true; ; isFirst = false) {
      const slice = await this.#reader.read({
        at: this.#at,
        reached: () => Math.max(this.#at.offset, this.#held?.reached(this.#at.epoch) ?? 0),
        compares: isFirst,
        hasTime: () => this.#held?.first === undefined,
      });
      if (this.#stop.signal.aborted) return outcome;
      if (slice === undefined) {
        this.#giveUp();
        return "unread";
      }
      const { top, former, complete, entries } = slice;
      if (top.epoch !== this.#at.epoch) await this.#untilBegun(top);
      if (this.#stop.signal.aborted) return outcome;
      if (this.#settleStrays(Math.max(mark, this.#held?.markBefore(top.epoch) ?? 0), slice)) outcome = "gap";
      if (top.epoch !== this.#at.epoch) {
        const isBehind = former !== undefined && (former.epoch !== this.#at.epoch || former.offset > this.#at.offset);
        this.#move({ epoch: top.epoch, offset: this.#formerOffsets.get(top.epoch) ?? 0 });
        // If the channel was received without a break from the end of the old epoch to the start of the new
        // one, nothing is missing.
        const isHeard = this.#held?.has({ epoch: top.epoch, offset: 1 }) === true;
        const isSeamless = isHeard && !isBehind && !this.#isInterrupted;
        if (!isSeamless) {
          this.#options.onGap(undefined);
          outcome = "gap";
        }
        if (this.#isUnreliable()) {
          this.#deliverHeld();
          return outcome;
        }
        continue;
      }
      if (!complete) {
        const before = (entries[0]?.offset ?? top.offset + 1) - 1;
        await this.#untilHeard(top.epoch, before);
        if (this.#stop.signal.aborted) return outcome;
        if (this.#deliverHeard(before)) outcome = "gap";
      }
      for (const { offset, message } of entries) this.#deliverStored({ epoch: top.epoch, offset }, message);
      if (this.#at.offset >= top.offset) return outcome;
    }
  }

  /**
   * Waits until the channel has brought a message of the epoch that was read, unless the channel was interrupted.
   * Whatever the same Redis published before, under lost epochs, has then arrived as well.
   */
  async #untilBegun({ epoch, offset }: HistoryPosition): Promise<void> {
    if (offset > 0) await this.#untilHeard(epoch, 1);
  }

  /** Waits until the channel has brought the messages up to an offset, unless the channel was interrupted. */
  async #untilHeard(epoch: number, upTo: number): Promise<void> {
    const giveUpAtMs = performance.now() + IN_FLIGHT_MAX_MS;
    const isAwaited = () => !this.#isInterrupted && (this.#held?.reached(epoch) ?? upTo) < upTo;
    while (isAwaited() && performance.now() < giveUpAtMs) await sleep(IN_FLIGHT_POLL_MS);
  }

  /**
   * Advances to an offset up to which the history has lost messages. Delivers those messages that arrived
   * over the channel, and reports the others as gaps. Returns whether there was a gap.
   */
  #deliverHeard(upTo: number): boolean {
    const { epoch } = this.#at;
    let hasGap = false;
    const skip = (to: number): void => {
      const missed = to - this.#at.offset;
      if (missed <= 0) return;
      this.#options.onGap(missed);
      this.#move({ epoch, offset: to });
      hasGap = true;
    };
    for (const message of this.#held?.inOrder(epoch, this.#at.offset, upTo) ?? []) {
      skip(message.at.offset - 1);
      // The buffer may hold the same message twice.
      if (message.at.offset > this.#at.offset) this.#deliver(message);
    }
    skip(upTo);
    return hasGap;
  }

  /**
   * Removes the buffered messages of epochs that had ended when the history was read, and reports a gap if there were
   * such messages. They are delivered if only this channel has them, because their epoch was lost, and if that keeps
   * the order. Otherwise they are dropped:
   *
   * - `former` says which offset their epoch had reached: other servers may have received other messages.
   * - Their epoch has assigned offsets twice.
   * - Messages of the epoch that was read were delivered already. On a channel, an epoch's messages follow those of
   *   the epochs before, so these messages come from a Redis that was replaced and carried out old commands late.
   *
   * Returns whether there were such messages.
   */
  #settleStrays(mark: number, { top: { epoch }, former }: HistorySlice): boolean {
    const strays = this.#held?.takeOtherEpochs(mark, epoch) ?? [];
    if (strays.length === 0) return false;
    this.#options.onGap(undefined);
    const { epoch: currentEpoch, offset } = this.#at;
    const isLost = former === undefined || former.offset === FURTHEST;
    const isLate = currentEpoch === epoch && offset > 0;
    if (!isLost || isLate) return true;
    for (const stray of strays) if (!this.#reader.hasForked(stray.at.epoch)) this.#passUnordered(stray);
    return true;
  }

  /**
   * Counts one more epoch. Returns whether new epochs follow each other too quickly, and then schedules the next
   * read.
   */
  #isUnreliable(): boolean {
    const nowMs = performance.now();
    if (nowMs - this.#epochsSinceMs >= EPOCHS_WINDOW_MS) {
      this.#epochs = 0;
      this.#epochsSinceMs = nowMs;
    }
    this.#epochs++;
    if (this.#epochs <= EPOCHS_MAX) return false;
    clearTimeout(this.#unreliableTimer);
    this.#unreliableTimer = setTimeout(() => {
      this.#unreliableTimer = undefined;
      void this.catchUp();
    }, EPOCHS_WINDOW_MS);
    this.#unreliableTimer.unref();
    return true;
  }

  #move(to: HistoryPosition): void {
    const { epoch, offset } = this.#at;
    this.#at = to;
    if (to.epoch === epoch || epoch === 0) return;
    this.#reader.forget();
    this.#formerOffsets.delete(to.epoch);
    this.#formerOffsets.set(epoch, offset);
    const [oldest] = this.#formerOffsets.keys();
    if (this.#formerOffsets.size > FORMER_OFFSETS_MAX && oldest !== undefined) this.#formerOffsets.delete(oldest);
  }

  #deliverStored(at: HistoryPosition, stored: Uint8Array): void {
    const message = this.#options.read(stored);
    this.#options.onFilled();
    // A damaged message must not block the ones after it.
    if (message === undefined) this.#move(at);
    else this.#deliver({ at, ...message });
  }

  /** Delivers the buffered messages despite the gap, because members have waited long enough, and reports the gap. */
  #giveUp(): void {
    this.#reader.doubt();
    this.#options.onGap(undefined);
    this.#deliverHeld();
  }

  #deliverHeld(): void {
    for (const message of this.#held?.takeAll() ?? []) this.#passUnordered(message);
  }
}
