import type { Link } from "./link.js";

/** A position in a room's history. */
export interface HistoryPosition {
  /** Identifies the history, 1 to 2^32 - 1. A history that was lost is replaced by one with another epoch. */
  readonly epoch: number;
  /**
   * The number of a message in the history. Messages are numbered from 1; 0 is the position before the
   * first.
   */
  readonly offset: number;
}

/** A message to be published, with a stamp (see `historyStamp`) that the store writes between the two parts. */
export interface StampedDraft {
  /** The bytes in front of the stamp. */
  readonly before: Uint8Array;
  /** The bytes after the stamp. */
  readonly after: Uint8Array;
}

/** A message of a recoverable room, to be stored. */
export interface HistoryDraft extends StampedDraft {
  /**
   * The sending server, and the epoch and sequence that its sequencer gave the message. They identify a message
   * that the store's client library sends a second time because the link broke.
   */
  readonly sender: { readonly origin: string; readonly epoch: number; readonly sequence: number };
}

/** A stored message, with its stamp, as it was published on the room's channel. */
export interface HistoryEntry {
  /** The message's number in the history. */
  readonly offset: number;
  /** The whole message, with header and stamp. */
  readonly message: Uint8Array;
}

/** The messages after a position in a history. */
export interface HistorySlice {
  /** The current end of the room's history. */
  readonly top: HistoryPosition;
  /**
   * Whether all messages after the position are still stored. If not, the entries begin with the oldest
   * stored message. There are no entries if the history now has another epoch or never reached the offset.
   */
  readonly complete: boolean;
  /**
   * Set if this history replaced one that had lost its latest messages: a position that the earlier history is
   * known to have reached. A reader that had not reached this position has missed messages of the earlier
   * history.
   */
  readonly former: HistoryPosition | undefined;
  /**
   * The messages in order and without gaps. The list ends early at the limit or at about one megabyte.
   * It has at least one entry if a message exists and the limit allows it.
   */
  readonly entries: readonly HistoryEntry[];
}

/**
 * The latest messages of the rooms of one bus, for readers that missed some. Guarantees:
 *
 * - `append` numbers, stores and publishes a message in one step, so that the stored order is the order on
 *   the room's channel of the bus, without gaps. A subscriber that receives offset n and then n + 2 has missed one
 *   message.
 * - A draft that is sent twice is stored and published once, for as long as the history is kept. The second
 *   call may resolve with the offset of a later message of the same sender.
 * - A history is bounded by the number of messages and by the time since its latest message; older messages
 *   are removed. The position of its end is kept for at least one day. If the history is lost, the next one has
 *   another epoch, so that no position ever identifies two messages. If the history lost its latest messages
 *   (an old snapshot was restored, or a replica that had lagged took over), another history begins: with a
 *   `restart` by the server that notices the loss, or with an `append` by a server whose acknowledged messages
 *   are missing.
 * - Every call is one round trip. Calls fail in the same way as those of `Bus`: `append` does not wait for a
 *   link that is down, and after a `timeout` the message may have been stored.
 */
export interface History {
  /**
   * The link over which the store publishes and reads. Each time the link becomes `in-sync`, histories that
   * were read before may have lost their latest messages since.
   */
  readonly link: Pick<Link, "onState">;
  /** Stores and publishes a message. Resolves with the message's position. */
  append(room: string, draft: HistoryDraft): Promise<HistoryPosition>;
  /**
   * Reads at most `limit` messages after a position; 1 to 1,000, by default 1,000. Without a position,
   * only the current end of the room's history is returned: there are no entries, and `complete` is
   * `false`. Begins a history if the room has none.
   */
  since(room: string, from?: HistoryPosition, limit?: number): Promise<HistorySlice>;
  /**
   * Replaces a history that has lost its latest messages. Called by a server that received a message at the
   * position `reached`, although the history ends before it: the same offsets would be assigned again, or have
   * been assigned again already.
   *
   * If the current history has the epoch of `reached` and a smaller offset, another history begins, with
   * `reached` as its `former`. If the `former` of the current history has the epoch of `reached` and a smaller
   * offset, another history begins, with a `former` that no reader has reached. In all other cases nothing
   * changes. Resolves with the end of the history afterwards. If another history began, the notice is published
   * in the same step, stamped with the position before the first message, so that all subscribers are notified
   * at once.
   */
  restart(room: string, reached: HistoryPosition, notice: StampedDraft): Promise<HistoryPosition>;
}
