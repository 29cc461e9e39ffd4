import type { History, HistoryPosition } from "@cm/protocol";
import type { OrderedMessage } from "./ordered-message.js";
import type { OrderedRoom } from "./ordered-room.js";

/** What somebody who comes back to a room gets. */
export interface Recovery {
  /** Whether the frames are all that was missed. If not, there are none. */
  readonly recovered: boolean;
  /** Where the room is on this server at this moment: what comes later is delivered as ever. */
  readonly position: HistoryPosition;
  /** What was missed, in order. */
  readonly frames: readonly Uint8Array[];
}

/** What somebody who comes back is given at most; where more is missing, nothing is recovered. */
export interface RecoveryLimit {
  /** 1 to 10,000. */
  readonly maxMessages: number;
  /** Of all frames together; 1 or more. */
  readonly maxBytes: number;
}

/** What is needed to recover what was missed. */
export interface RecoveryParts {
  readonly room: string;
  readonly history: History;
  readonly stream: OrderedRoom;
  readonly read: (message: Uint8Array) => Pick<OrderedMessage, "payload"> | undefined;
}

/** Messages asked of the history at a time. */
const PAGE = 200;

/**
 * Gathers what came after a place in a room, up to the very moment at which `take` is
 * called: nothing between the frames and what is delivered next, and nothing twice.
 */
export async function recoverFrom(
  from: HistoryPosition,
  limit: RecoveryLimit,
  parts: RecoveryParts,
  take: (recovery: Recovery) => void,
): Promise<void> {
  const { stream } = parts;
  // What is delivered while the history is read, which it may not have had yet.
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
  // Offsets have no holes, so that a number says whether all are there.
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

/** What the history has after a place; `undefined` where that is not all, too much, or can't be read. */
async function readMissed(
  from: HistoryPosition,
  { maxMessages, maxBytes }: RecoveryLimit,
  { room, history, stream, read }: RecoveryParts,
): Promise<Missed | undefined> {
  const entries: { offset: number; payload: Uint8Array }[] = [];
  let reached = from.offset;
  let bytes = 0;
  try {
    // Seen elsewhere, and still on its way to this server.
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
    // A history that can't be read is as good as none; whoever counts failures of the store hears of it elsewhere.
    return undefined;
  }
}
