import type { HistoryPosition } from "@cm/protocol";

/** A message of a room, with its place in the room's history. */
export interface OrderedMessage {
  readonly at: HistoryPosition;
  /** What tells it from others; see `messageId`. */
  readonly id: number;
  readonly payload: Uint8Array;
  readonly except: readonly string[];
}
