import type { HistoryPosition } from "./history.js";

/**
 * The sockets of this process, as the router sees them. None of the calls may throw;
 * a socket that can't take a frame is the transport's to deal with. The frame's bytes
 * are only valid during the call.
 */
export interface LocalDelivery {
  /** To every local member of the room but the excepted ones, in the order of the calls. */
  toRoom(room: string, frame: Uint8Array, except: readonly string[]): void;
  /** Whether the connection is open here and took the frame. */
  toConnection(connectionId: string, frame: Uint8Array): boolean;
  /** The number of the user's local connections that took the frame. */
  toUser(userId: string, frame: Uint8Array): number;
}

/** A room that this process hears of. */
export interface EnteredRoom {
  /**
   * Where the room's history is, as far as local members have heard it at this moment;
   * `undefined` where its messages are not recoverable. Good for as long as it has local members.
   */
  readonly position: HistoryPosition | undefined;
}

/** Which rooms this process wants to hear of. */
export interface RoomInterest {
  /**
   * Counts one more local member. Resolves when the room's channel is live here:
   * nothing published after that is missed. Where it fails, nothing was counted.
   * `undefined` where rooms have no histories here.
   */
  enter(room: string): Promise<EnteredRoom | undefined>;
  /** Counts one less. The channel is let go some time after the last. */
  exit(room: string): void;
}
