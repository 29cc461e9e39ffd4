import { setTimeout as sleep } from "node:timers/promises";
import type { History, HistoryPosition, HistorySlice, StampedDraft } from "@cm/protocol";
import { ReorderBuffer } from "../ordering/reorder-buffer.js";
import { DeliveredPosition } from "./delivered-position.js";
import { EpochLimit } from "./epoch-limit.js";
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
  readonly #position = new DeliveredPosition();
  /** The epoch of the latest message or notice that passed from the channel, in the order of the history. */
  #heardEpoch: number | undefined;
  #isAskedAgain = false;
  /** Whether the channel may have been interrupted since the messages were last known to be complete. */
  #isInterrupted = false;
  /** Whether buffered messages were dropped since the history was last read to its end. */
  #hasOverflown = false;
  readonly #reader: HistoryReader;
  readonly #stop = new AbortController();
  /** While it is exceeded, the history is not reliable, and messages are delivered as they arrive. */
  readonly #epochLimit = new EpochLimit(() => void this.catchUp());

  constructor(options: OrderedRoomOptions) {
    this.#options = options;
    this.#reader = new HistoryReader({ ...options, signal: this.#stop.signal });
  }

  /** The position of the latest message delivered on this server. */
  get position(): HistoryPosition {
    return this.#position.at;
  }

  /**
   * Begins delivery at the current position of the history. Called once the channel is subscribed. Rejects if
   * the history cannot be read.
   */
  async open(): Promise<void> {
    this.#position.move((await this.#options.history.since(this.#options.room)).top);
    if (this.#release() && !this.#isAskedAgain) this.#held = undefined;
    else await this.catchUp();
  }

  close(): void {
    this.#stop.abort();
    this.#epochLimit.close();
    this.#held = undefined;
    this.#followers.clear();
  }

  /** Handles a message that arrived on the channel. */
  take(message: OrderedMessage): void {
    if (this.#stop.signal.aborted) return;
    if (this.#held !== undefined) {
      this.#held.add(message);
    } else if (this.#epochLimit.isExceeded) {
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
    // The room is being opened, and reads the history then.
    if (this.position.epoch === 0) return Promise.resolve(false);
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
    const at = this.position;
    // Only the store knows which of two epochs is the later one.
    if (epoch !== at.epoch || offset > at.offset + 1) return false;
    this.#heardEpoch = epoch;
    if (offset > at.offset) {
      this.#deliver(message);
      return true;
    }
    // This is the notice of the epoch that this server is already in.
    if (offset === 0) return true;
    const isKnown = this.#reader.recognizes(message);
    if (isKnown === undefined) this.#reader.doubt();
    if (isKnown !== true) return false;
    this.#options.onDuplicate();
    return true;
  }

  /**
   * Delivers a message that was not delivered before, without consulting the history. Reports a gap instead if its
   * epoch has ended, to keep the order.
   */
  #passUnordered(message: OrderedMessage): void {
    const { epoch, offset } = message.at;
    const reached = this.#position.reached(epoch);
    // A notice has offset 0.
    if (offset === 0) return;
    if (offset <= reached) {
      this.#options.onDuplicate();
      return;
    }
    const hasEnded = this.#position.hasEnded(epoch);
    if (hasEnded || offset > reached + 1) this.#options.onGap(undefined);
    if (!hasEnded) this.#deliver(message);
  }

  #deliver(message: OrderedMessage): void {
    this.#position.delivered(message.at);
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
    if (held.takeOverflow()) {
      this.#hasOverflown = true;
      return false;
    }
    for (let message = held.first; message !== undefined; message = held.first) {
      const { epoch, offset } = message.at;
      const at = this.position;
      const isFilled = epoch === at.epoch && offset <= at.offset;
      const isAsExpected = isFilled ? this.#reader.recognizes(message) !== false : this.#pass(message);
      if (!isAsExpected) return false;
      this.#heardEpoch = epoch;
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
        at: this.position,
        reached: () => Math.max(this.position.offset, this.#held?.reached(this.position.epoch) ?? 0),
        compares: isFirst,
        hasTime: () => this.#held?.first === undefined,
      });
      if (this.#stop.signal.aborted) return outcome;
      if (slice === undefined) {
        this.#giveUp();
        return "unread";
      }
      const { top, former, complete, entries } = slice;
      if (top.offset > 0 && this.#position.reached(top.epoch) === 0) await this.#untilBegun(top.epoch);
      if (this.#stop.signal.aborted) return outcome;
      if (this.#settleStrays(mark, slice)) outcome = "gap";
      const at = this.position;
      if (top.epoch !== at.epoch) {
        const isBehind = former !== undefined && (former.epoch !== at.epoch || former.offset > at.offset);
        this.#position.move({ epoch: top.epoch, offset: this.#position.reached(top.epoch) });
        // If the channel was received without a break from the end of the old epoch to the start of the new
        // one, nothing is missing.
        const isHeard = this.#held?.has({ epoch: top.epoch, offset: 1 }) === true;
        const isSeamless = isHeard && !isBehind && !this.#isInterrupted && !this.#hasOverflown;
        if (!isSeamless) {
          this.#options.onGap(undefined);
          outcome = "gap";
        }
        if (this.#epochLimit.exceeds()) {
          this.#deliverHeld();
          return outcome;
        }
        continue;
      }
      if (!complete) {
        const before = (entries[0]?.offset ?? top.offset + 1) - 1;
        await this.#untilReached(before);
        if (this.#stop.signal.aborted) return outcome;
        if (this.#deliverHeard(before)) outcome = "gap";
      }
      for (const { offset, message } of entries) this.#deliverStored({ epoch: top.epoch, offset }, message);
      if (this.position.offset >= top.offset) {
        this.#hasOverflown = false;
        return outcome;
      }
    }
  }

  /**
   * Waits until the channel has brought something of an epoch. Whatever the same Redis published before, under lost
   * epochs, has then arrived as well. Does not wait if the channel was interrupted or too much has arrived.
   */
  async #untilBegun(epoch: number): Promise<void> {
    const isBegun = () => this.#held?.markBefore(epoch) !== undefined || this.#held?.hasOverflown === true;
    await this.#untilHeard(isBegun);
  }

  /** Waits until the channel has brought the messages up to an offset, unless the channel was interrupted. */
  async #untilReached(upTo: number): Promise<void> {
    const { epoch } = this.position;
    await this.#untilHeard(() => (this.#held?.reached(epoch) ?? upTo) >= upTo);
  }

  async #untilHeard(isHeard: () => boolean): Promise<void> {
    const giveUpAtMs = performance.now() + IN_FLIGHT_MAX_MS;
    const isAwaited = () => !this.#stop.signal.aborted && !this.#isInterrupted && !isHeard();
    while (isAwaited() && performance.now() < giveUpAtMs) await sleep(IN_FLIGHT_POLL_MS);
  }

  /**
   * Advances to an offset up to which the history has lost messages. Delivers those messages that arrived
   * over the channel, and reports the others as gaps. Returns whether there was a gap.
   */
  #deliverHeard(upTo: number): boolean {
    const { epoch, offset } = this.position;
    let hasGap = false;
    const skip = (to: number): void => {
      const missed = to - this.position.offset;
      if (missed <= 0) return;
      this.#options.onGap(missed);
      this.#position.move({ epoch, offset: to });
      hasGap = true;
    };
    for (const message of this.#held?.inOrder(epoch, offset, upTo) ?? []) {
      skip(message.at.offset - 1);
      // The buffer may hold the same message twice.
      if (message.at.offset > this.position.offset) this.#deliver(message);
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
   * - Their epoch was set back: these messages and delivered ones have the same offsets.
   * - They arrived after something of the epoch that was read, or messages of it were delivered already. On one Redis
   *   an epoch's messages follow those of the epochs before, so these come from a Redis that was replaced and carried
   *   out old commands late.
   *
   * Returns whether there were such messages.
   */
  #settleStrays(mark: number, { top: { epoch }, former }: HistorySlice): boolean {
    const strays = this.#held?.takeOtherEpochs(this.#held.markBefore(epoch) ?? mark, epoch) ?? [];
    const late = this.#held?.takeOtherEpochs(mark, epoch) ?? [];
    if (strays.length + late.length === 0) return false;
    this.#options.onGap(undefined);
    const at = this.position;
    const isLost = former === undefined || former.offset === FURTHEST;
    const hasBegun = this.#position.reached(epoch) > 0 || this.#heardEpoch === epoch;
    if (!isLost || hasBegun) return true;
    const twice = strays.find((stray) => this.#reader.contradicts(stray));
    if (twice !== undefined) this.#position.end(twice.at.epoch);
    for (const stray of strays) this.#passUnordered(stray);
    // Delivering the strays may have moved the position. Return to the epoch that was read.
    if (at.epoch === epoch) this.#position.move(at);
    return true;
  }

  #deliverStored(at: HistoryPosition, stored: Uint8Array): void {
    const message = this.#options.read(stored);
    this.#options.onFilled();
    // A damaged message must not block the ones after it.
    if (message === undefined) this.#position.move(at);
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
