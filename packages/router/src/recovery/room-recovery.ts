import type { History, HistoryPosition } from "@cm/protocol";
import { PAGE } from "./history-reader.js";
import type { OrderedMessage } from "./ordered-message.js";
import type { OrderedRoom } from "./ordered-room.js";

/** The result for a client that resumes in a room. */
export interface Recovery {
  /** Whether `frames` are all missed messages. If not, there are no frames. */
  readonly recovered: boolean;
  /** The room's current position on this server; later messages are delivered as usual. */
  readonly position: HistoryPosition;
  /** The missed frames, in order. */
  readonly frames: readonly Uint8Array[];
}

/** Limits of one recovery. If the missed messages exceed one of them, nothing is recovered. */
export interface RecoveryLimit {
  /** Maximum number of messages, 1 to 10,000. */
  readonly maxMessages: number;
  /** Maximum size of all frames together, in bytes; 1 or more. */
  readonly maxBytes: number;
}

/** The room and its parts that a recovery needs. */
export interface RecoveryParts {
  readonly room: string;
  readonly history: History;
  readonly ordered: Pick<OrderedRoom, "position" | "follow" | "catchUp">;
  readonly read: (message: Uint8Array) => Pick<OrderedMessage, "payload"> | undefined;
}

/**
 * Collects the messages after `from` and passes them to `take`. They reach up to the latest message that the room has
 * delivered at that moment, so that the next delivered message follows them without a gap or a duplicate.
 */
export async function recoverFrom(
  from: HistoryPosition,
  limit: RecoveryLimit,
  parts: RecoveryParts,
  take: (recovery: Recovery) => void,
): Promise<void> {
  const { ordered } = parts;
  const missed = new MissedFrames(from.offset, limit);
  // Messages that the room delivers during the read may be newer than its result.
  const unfollow = ordered.follow(({ at, payload }) => {
    if (at.epoch === from.epoch) missed.add(at.offset, payload);
  });
  let isRead: boolean;
  try {
    isRead = await readMissed(from, limit.maxMessages, parts, missed);
  } finally {
    unfollow();
  }
  const { position } = ordered;
  const isHere = position.epoch === from.epoch && position.offset >= from.offset;
  const frames = isRead && isHere ? missed.upTo(position.offset) : undefined;
  take({ recovered: frames !== undefined, position, frames: frames ?? [] });
}

/** Copies of the frames after an offset, as long as they are within the limit. */
class MissedFrames {
  readonly #from: number;
  readonly #limit: RecoveryLimit;
  readonly #byOffset = new Map<number, Uint8Array>();
  #bytes = 0;
  #isTooMuch = false;

  constructor(from: number, limit: RecoveryLimit) {
    this.#from = from;
    this.#limit = limit;
  }

  /** Adds a frame, unless it is not missed or was added before. Returns `false` if the limit is exceeded. */
  add(offset: number, frame: Uint8Array): boolean {
    if (this.#isTooMuch) return false;
    if (offset <= this.#from || this.#byOffset.has(offset)) return true;
    this.#bytes += frame.length;
    this.#isTooMuch = this.#byOffset.size >= this.#limit.maxMessages || this.#bytes > this.#limit.maxBytes;
    if (this.#isTooMuch) this.#byOffset.clear();
    else this.#byOffset.set(offset, new Uint8Array(frame));
    return !this.#isTooMuch;
  }

  /** Returns the frames up to an offset, in order; `undefined` if one is missing or the limit was exceeded. */
  upTo(offset: number): Uint8Array[] | undefined {
    if (this.#isTooMuch) return undefined;
    const frames: Uint8Array[] = [];
    for (let next = this.#from + 1; next <= offset; next++) {
      const frame = this.#byOffset.get(next);
      if (frame === undefined) return undefined;
      frames.push(frame);
    }
    return frames;
  }
}

/**
 * Adds the history's messages after a position to `missed`. Resolves with `false` if the history is incomplete or
 * unreadable, or exceeds the limit.
 */
async function readMissed(
  from: HistoryPosition,
  maxMessages: number,
  { room, history, ordered, read }: RecoveryParts,
  missed: MissedFrames,
): Promise<boolean> {
  let reached = from.offset;
  try {
    // The client received messages on another server that have not arrived on this one yet: get them from
    // the history.
    if (ordered.position.epoch === from.epoch && ordered.position.offset < from.offset) await ordered.catchUp();
    for (;;) {
      const slice = await history.since(room, { epoch: from.epoch, offset: reached }, PAGE);
      if (!slice.complete || slice.top.offset - from.offset > maxMessages) return false;
      for (const { offset, message } of slice.entries) {
        const payload = read(message)?.payload;
        if (payload === undefined || !missed.add(offset, payload)) return false;
        reached = offset;
      }
      if (reached >= slice.top.offset) return true;
    }
  } catch {
    // An unreadable history is treated like a missing one; the store reports its failures itself.
    return false;
  }
}
