import type { HistoryDraft, HistoryPosition, HistorySlice, StampedDraft } from "@cm/protocol";
import { defineScript, toList } from "../scripts/script-definition.js";

/** The keys of one room's history. */
export interface HistoryKeys {
  readonly history: string;
  readonly position: string;
  /** The prefix of all keys of the room's partition. */
  readonly head: string;
  readonly room: string;
}

/** The epoch for a history that begins now, and how long its position is kept. */
interface Beginning {
  readonly newEpoch: number;
  readonly positionTtlMs: number;
}

export const historyAppend = defineScript(
  "history-append",
  (
    input: HistoryKeys &
      Beginning &
      Pick<HistoryDraft, "before" | "after"> & {
        readonly sender: string;
        readonly channel: string;
        readonly senderEpoch: number;
        readonly sequence: number;
        readonly maxMessages: number;
        readonly ttlMs: number;
        readonly publishCommand: string;
        /** Whether the message certainly was not stored before, although it may have been sent. */
        readonly isNew: boolean;
        /**
         * The sender's latest acknowledged number and the epoch of the history that acknowledged it; 0 and 0
         * if there is none.
         */
        readonly known: { readonly epoch: number; readonly sequence: number };
      },
  ) => ({
    keys: [input.history, input.position, input.sender, input.channel],
    args: [
      input.before,
      input.after,
      input.senderEpoch,
      input.sequence,
      input.newEpoch,
      input.maxMessages,
      input.ttlMs,
      input.positionTtlMs,
      input.publishCommand,
      input.isNew ? 1 : 0,
      input.known.epoch,
      input.known.sequence,
    ],
  }),
  toPosition,
);

export const historySince = defineScript(
  "history-since",
  (
    input: HistoryKeys &
      Beginning & { readonly from: HistoryPosition; readonly limit: number; readonly maxBytes: number },
  ) => ({
    keys: [input.history, input.position],
    args: [input.from.epoch, input.from.offset, input.limit, input.maxBytes, input.newEpoch, input.positionTtlMs],
  }),
  (reply): HistorySlice => {
    const [epoch, offset, complete, first, formerEpoch, formerOffset, ...messages] = toList(reply);
    const firstOffset = toCount(first);
    return {
      top: { epoch: toCount(epoch), offset: toCount(offset) },
      complete: toCount(complete) === 1,
      former: toCount(formerEpoch) === 0 ? undefined : { epoch: toCount(formerEpoch), offset: toCount(formerOffset) },
      entries: messages.flatMap((message, i) =>
        message instanceof Uint8Array ? [{ offset: firstOffset + i, message }] : [],
      ),
    };
  },
);

export const historyRestart = defineScript(
  "history-restart",
  (
    input: HistoryKeys &
      Beginning &
      StampedDraft & { readonly channel: string; readonly reached: HistoryPosition; readonly publishCommand: string },
  ) => ({
    keys: [input.history, input.position, input.channel],
    args: [
      input.reached.epoch,
      input.reached.offset,
      input.newEpoch,
      input.positionTtlMs,
      input.before,
      input.after,
      input.publishCommand,
    ],
  }),
  toPosition,
);

function toPosition(reply: unknown): HistoryPosition {
  const [epoch, offset] = toList(reply);
  return { epoch: toCount(epoch), offset: toCount(offset) };
}

/** Converts a reply that is text or bytes to a number. */
function toCount(reply: unknown): number {
  return Number(String(reply));
}
