import type { HistoryPosition } from "@cm/protocol";

/** A message of a room with its position in the room's history. */
export interface OrderedMessage {
  readonly at: HistoryPosition;
  /** The message's fingerprint; see `messageId`. */
  readonly id: number;
  readonly payload: Uint8Array;
  readonly except: readonly string[];
}

/** Larger than any offset: in place of the last offset of an epoch, it means that this offset is not known. */
export const FURTHEST = Number.MAX_SAFE_INTEGER;
