import type { Link } from "./link.js";

/** A place in a room's history. */
export interface HistoryPosition {
  /** Which history: another one begins where the last was lost. 1 to 2^32 - 1. */
  readonly epoch: number;
  /** The room's messages are numbered from 1; 0 is before the first. */
  readonly offset: number;
}

/** Something to be published, with a stamp (see `historyStamp`) that the store writes between the two parts. */
export interface StampedDraft {
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

/** A message of a room with recoverable messages, to be stored. */
export interface HistoryDraft extends StampedDraft {
  /**
   * Who sends it, and its place in a numbering of that server's own: what a client library
   * sends a second time, after the link broke under it, is known by that.
   */
  readonly sender: { readonly origin: string; readonly epoch: number; readonly sequence: number };
}

/** A stored message, as it went over the room's channel: with its stamp. */
export interface HistoryEntry {
  readonly offset: number;
  readonly message: Uint8Array;
}

/** What came after a place in a history. */
export interface HistorySlice {
  /** Where the room's history is now. */
  readonly top: HistoryPosition;
  /**
   * Whether all that came after the place is still there. If not, the entries begin with
   * the oldest that is, or are none where the epoch is another or the offset was never
   * reached.
   */
  readonly complete: boolean;
  /**
   * Where the history before this one had come at least, if this one was begun because that
   * one had been set back. A reader that had not reached that position missed some of it.
   */
  readonly former: HistoryPosition | undefined;
  /**
   * In order and without holes; fewer than there are where the limit or about a megabyte
   * was reached. At least one where there is one and the limit allows it.
   */
  readonly entries: readonly HistoryEntry[];
}

/**
 * The latest messages of rooms, for those who missed some. Promises:
 *
 * - `append` numbers, stores and publishes in one step, so that the stored order is the
 *   order on the room's channel, without holes. A subscriber that hears offset n and then n + 2
 *   has missed one.
 * - A draft that is sent twice is stored and published once, for as long as the history
 *   is kept; the second answer may name a later offset of the same sender.
 * - A history is bounded, by number and by age since its latest message: older ones go.
 *   Its place is remembered for a day at least. Where it was lost the epoch changes, so
 *   that no offset means two messages. Where it was set back (an old snapshot, a replica
 *   that had lagged) another one begins: by `restart`, called by the server that notices, or
 *   with an `append` of a server whose acknowledged messages are no longer known.
 * - Every call is one round trip. They fail as those of `Bus` do: `append` does not wait
 *   for a link that is away, and after `timeout` the message may have been stored.
 */
export interface History {
  /**
   * The link over which the store publishes and reads: each time it comes to `in-sync`, histories
   * that were read before may have been set back since.
   */
  readonly link: Pick<Link, "onState">;
  /** The position of the message. */
  append(room: string, draft: HistoryDraft): Promise<HistoryPosition>;
  /**
   * At most `limit` messages after a place; 1 to 1,000, by default 1,000. Without a place it says
   * only where the room's history is now: it has no entries, and `complete` is `false`. Begins a
   * history where there is none.
   */
  since(room: string, from?: HistoryPosition, limit?: number): Promise<HistorySlice>;
  /**
   * For a server that received a message that the history says it never had: the database was
   * set back, and would give its offsets again, or has done so. Begins another history, with
   * the place as its `former`, where this one is of the place's epoch and has not come as
   * far. Begins another one too, whose `former` no reader has reached, where this one's `former`
   * is of the place's epoch and not as far. Else changes nothing. Resolves with the position of the
   * history then. Where another one began, the notice is published in the same step, stamped with its
   * place before the first message, so that all who listen know at once.
   */
  restart(room: string, reached: HistoryPosition, notice: StampedDraft): Promise<HistoryPosition>;
}
