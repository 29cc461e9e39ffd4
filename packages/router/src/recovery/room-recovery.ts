import type { History, HistoryPosition } from "@cm/protocol";
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
  readonly stream: OrderedRoom;
  readonly read: (message: Uint8Array) => Pick<OrderedMessage, "payload"> | undefined;
}

/** Maximum number of messages per page. */
const PAGE = 200;

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
  const { stream } = parts;
  // Messages delivered during the read, which may be newer than its result.
  const delivered: OrderedMessage[] = [];
  let isTooMuch = false;
  const unfollow = stream.follow(({ at, id, payload, except }) => {
    if (delivered.length < limit.maxMessages) delivered.push({ at, id, payload: Uint8Array.from(payload), except });
    else isTooMuch = true;
  });
  let missed: Missed | undefined;
  try {
    missed = await readMissed(from, limit, parts);
  } finally {
    unfollow();
  }
  const { position } = stream;
  const isHere = position.epoch === from.epoch && position.offset >= from.offset;
  if (missed === undefined || isTooMuch || !isHere) {
    take({ recovered: false, position, frames: [] });
    return;
  }
  const { reached, entries } = missed;
  const frames = [
    ...entries.filter(({ offset }) => offset <= position.offset).map(({ payload }) => payload),
    ...delivered.filter(({ at }) => at.epoch === from.epoch && at.offset > reached).map(({ payload }) => payload),
  ];
  // Offsets are consecutive, so the count shows whether all messages are included.
  const recovered = frames.length === position.offset - from.offset && isWithin(limit, frames);
  take({ recovered, position, frames: recovered ? frames : [] });
}

interface Missed {
  readonly reached: number;
  readonly entries: readonly { readonly offset: number; readonly payload: Uint8Array }[];
}

function isWithin({ maxMessages, maxBytes }: RecoveryLimit, frames: readonly Uint8Array[]): boolean {
  return frames.length <= maxMessages && frames.reduce((sum, { length }) => sum + length, 0) <= maxBytes;
}

/**
 * Reads the history after a position. Resolves with `undefined` if it is incomplete, too large or unreadable.
 */
async function readMissed(
  from: HistoryPosition,
  { maxMessages, maxBytes }: RecoveryLimit,
  { room, history, stream, read }: RecoveryParts,
): Promise<Missed | undefined> {
  const entries: { offset: number; payload: Uint8Array }[] = [];
  let reached = from.offset;
  let bytes = 0;
  try {
    // The client received messages on another server that have not arrived on this one yet: get them from
    // the history.
    if (stream.position.epoch === from.epoch && stream.position.offset < from.offset) await stream.catchUp();
    for (;;) {
      const slice = await history.since(room, { epoch: from.epoch, offset: reached }, PAGE);
      if (!slice.complete || slice.top.offset - from.offset > maxMessages) return undefined;
      for (const { offset, message } of slice.entries) {
        const payload = read(message)?.payload;
        bytes += payload?.length ?? 0;
        if (payload === undefined || bytes > maxBytes) return undefined;
        entries.push({ offset, payload });
        reached = offset;
      }
      if (reached >= slice.top.offset) return { reached, entries };
    }
  } catch {
    // An unreadable history is treated like a missing one; the store reports its failures itself.
    return undefined;
  }
}
