import { setTimeout as sleep } from "node:timers/promises";
import type { History, HistoryPosition, HistorySlice } from "@cm/protocol";
import { HeldMessages } from "./held-messages.js";
import type { StreamMessage } from "./stream-message.js";

/** Takes what a stream delivers while it is set; see {@link RoomStream.follow}. */
export type Follower = (message: StreamMessage) => void;

/** What {@link RoomStream} needs. */
export interface RoomStreamOptions {
  readonly room: string;
  readonly history: History;
  readonly deliver: (payload: Uint8Array, except: readonly string[]) => void;
  /** What a stored message says; `undefined`, and counted, where it is damaged. */
  readonly read: (message: Uint8Array) => Pick<StreamMessage, "payload" | "except"> | undefined;
  /** So many messages are missing for good, or `undefined`: some may be. */
  readonly onGap: (missed: number | undefined) => void;
  readonly onDuplicate: () => void;
  /** A message was taken from the history. */
  readonly onFilled: () => void;
}

/** Messages asked of the history at a time. */
const PAGE = 200;

/** The pause between attempts to read a history that can't be read. */
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 1_000;

/** Histories of a room that were lost within the time that a message may be on its way. */
const LEFT_MAX = 8;

/** So long messages are held back while what comes before them can't be read. */
const HOLD_MAX_MS = 10_000;

/**
 * Delivers the messages of one recoverable room strictly by offset: each once, in order. A
 * hole is filled from the history before anything later is delivered; members are told
 * only where the history no longer has what is missing.
 */
export class RoomStream {
  readonly #options: RoomStreamOptions;
  readonly #followers = new Set<Follower>();
  /** What came meanwhile; present while the history is being read. */
  #held: HeldMessages | undefined = new HeldMessages();
  #catchingUp: Promise<boolean> | undefined;
  /** Of the latest message that was delivered. */
  #at: HistoryPosition = { epoch: 0, offset: 0 };
  /** How far other histories of the room had come here, the latest last: what was delivered is not delivered again. */
  readonly #left = new Map<number, number>();
  #isAskedAgain = false;
  /** Whether the channel may have been cut since all was known to be whole. */
  #isInterrupted = false;
  readonly #stop = new AbortController();

  constructor(options: RoomStreamOptions) {
    this.#options = options;
  }

  /** The place of the latest message that was delivered here. */
  get position(): HistoryPosition {
    return this.#at;
  }

  /** Begins where the history is now, once the channel is live. Fails as the history does. */
  async open(): Promise<void> {
    this.#at = await this.#options.history.position(this.#options.room);
    if (this.#release() && !this.#isAskedAgain) this.#held = undefined;
    else await this.catchUp();
  }

  close(): void {
    this.#stop.abort();
    this.#held = undefined;
    this.#followers.clear();
  }

  /** A message came over the channel. */
  take(message: StreamMessage): void {
    if (this.#stop.signal.aborted) return;
    if (this.#held !== undefined) {
      this.#held.add(message);
    } else if (!this.#pass(message)) {
      this.#held = new HeldMessages();
      this.#held.add(message);
      void this.catchUp();
    }
  }

  /**
   * Delivers what the history has and this server has not. Resolves when that is done, or
   * can't be, with whether all of it was there; never fails.
   */
  catchUp(): Promise<boolean> {
    // What is being read may be older than this call.
    this.#isAskedAgain = true;
    if (this.#catchingUp !== undefined) return this.#catchingUp;
    if (this.#at.epoch === 0) return Promise.resolve(false); // It is being opened, and looks then.
    this.#held ??= new HeldMessages();
    this.#catchingUp = this.#catchUp();
    return this.#catchingUp;
  }

  /** As {@link catchUp}, after an interruption of the channel. */
  resumed(): Promise<boolean> {
    this.#isInterrupted = true;
    return this.catchUp();
  }

  /** Hands everything that is delivered from now on to the follower as well; returns how to end that. */
  follow(follower: Follower): () => void {
    this.#followers.add(follower);
    return () => void this.#followers.delete(follower);
  }

  /** Delivers the message if it is the next, drops it if it came before; false where something is missing. */
  #pass(message: StreamMessage): boolean {
    const { epoch, offset } = message.at;
    // Which of two histories is the later one, only the store can say.
    if (epoch !== this.#at.epoch || offset > this.#at.offset + 1) return false;
    if (offset > this.#at.offset) this.#deliver(message);
    else this.#options.onDuplicate();
    return true;
  }

  #deliver(message: StreamMessage): void {
    this.#move(message.at);
    this.#options.deliver(message.payload, message.except);
    for (const follower of this.#followers) follower(message);
  }

  async #catchUp(): Promise<boolean> {
    let isWhole = true;
    try {
      do {
        this.#isAskedAgain = false;
        const mark = this.#held?.mark() ?? 0;
        const outcome = await this.#fill();
        if (this.#stop.signal.aborted) return false;
        isWhole &&= outcome === "whole";
        // What came before the history was read, and is not of it, is of one that was lost.
        const strays = outcome === "unread" ? 0 : (this.#held?.dropOthers(mark, this.#at.epoch) ?? 0);
        if (strays > 0) this.#options.onGap(undefined);
        isWhole &&= strays === 0;
      } while (!this.#release() || this.#isAskedAgain);
      return isWhole;
    } finally {
      // In the very step that released what was held: whatever comes next finds nobody at work.
      this.#held = undefined;
      this.#isInterrupted = false;
      this.#catchingUp = undefined;
    }
  }

  /** Delivers what is held, in order; false where something is missing in between. */
  #release(): boolean {
    const held = this.#held;
    if (held === undefined) return true;
    if (held.takeOverflow()) return false;
    for (let message = held.first; message !== undefined; message = held.first) {
      const isFilled = message.at.epoch === this.#at.epoch && message.at.offset <= this.#at.offset;
      if (!isFilled && !this.#pass(message)) return false;
      held.dropFirst();
    }
    return true;
  }

  /** Delivers what the history has, to its top. */
  async #fill(): Promise<"whole" | "gap" | "unread"> {
    const { onGap } = this.#options;
    let outcome: "whole" | "gap" = "whole";
    for (;;) {
      const slice = await this.#readOn();
      if (this.#stop.signal.aborted) return outcome;
      if (slice === undefined) {
        this.#giveUp();
        return "unread";
      }
      const { top, complete, entries } = slice;
      if (top.epoch !== this.#at.epoch) {
        this.#move({ epoch: top.epoch, offset: this.#left.get(top.epoch) ?? 0 });
        // Where the channel was heard from the old one's end to the new one's beginning, all is here.
        const isSeamless = !this.#isInterrupted && (this.#held?.has({ epoch: top.epoch, offset: 1 }) ?? false);
        if (!isSeamless) {
          onGap(undefined);
          outcome = "gap";
        }
        continue;
      }
      if (!complete) {
        const before = (entries[0]?.offset ?? top.offset + 1) - 1;
        onGap(before - this.#at.offset);
        outcome = "gap";
        this.#move({ epoch: top.epoch, offset: before });
      }
      for (const { offset, message } of entries) this.#deliverStored({ epoch: top.epoch, offset }, message);
      if (this.#at.offset >= top.offset) return outcome;
    }
  }

  #move(to: HistoryPosition): void {
    const { epoch, offset } = this.#at;
    this.#at = to;
    if (to.epoch === epoch || epoch === 0) return;
    this.#left.delete(to.epoch);
    this.#left.set(epoch, offset);
    const [oldest] = this.#left.keys();
    if (this.#left.size > LEFT_MAX && oldest !== undefined) this.#left.delete(oldest);
  }

  #deliverStored(at: HistoryPosition, stored: Uint8Array): void {
    const message = this.#options.read(stored);
    this.#options.onFilled();
    // What is damaged is in nobody's way.
    if (message === undefined) this.#move(at);
    else this.#deliver({ at, ...message });
  }

  /** What comes next in the history; `undefined` where it can't be read while messages wait for it. */
  async #readOn(): Promise<HistorySlice | undefined> {
    const { history, room } = this.#options;
    const giveUpAtMs = performance.now() + HOLD_MAX_MS;
    for (let pauseMs = RETRY_MIN_MS; ; pauseMs = Math.min(2 * pauseMs, RETRY_MAX_MS)) {
      const { epoch } = this.#at;
      const reached = { epoch, offset: Math.max(this.#at.offset, this.#held?.reached(epoch) ?? 0) };
      try {
        const slice = await history.since(room, this.#at, PAGE);
        if (slice.top.epoch !== epoch || slice.top.offset >= reached.offset) return slice;
        // It was set back, and would give offsets again that were heard here.
        await history.restart(room, reached);
        continue;
      } catch {
        // Whoever counts failures of the store hears of them elsewhere.
        if (this.#held?.first !== undefined && performance.now() >= giveUpAtMs) return undefined;
      }
      try {
        await sleep(pauseMs, undefined, { signal: this.#stop.signal, ref: false });
      } catch {
        return undefined; // Closed meanwhile.
      }
    }
  }

  /** What is held goes out as it is: members have waited long enough, and are told. */
  #giveUp(): void {
    this.#options.onGap(undefined);
    for (const message of this.#held?.takeAll() ?? []) {
      if (message.at.epoch !== this.#at.epoch || message.at.offset > this.#at.offset) this.#deliver(message);
    }
  }
}
