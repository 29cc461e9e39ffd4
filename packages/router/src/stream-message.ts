import type { HistoryPosition } from "@cm/protocol";

/** A message of a room, with its place in the room's history. */
export interface StreamMessage {
  readonly at: HistoryPosition;
  readonly payload: Uint8Array;
  readonly except: readonly string[];
}
