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

/** Which rooms this process wants to hear of. */
export interface RoomInterest {
  /**
   * Counts one more local member. Resolves when the room's channel is live here:
   * nothing published after that is missed. Where it fails, nothing was counted.
   */
  enter(room: string): Promise<void>;
  /** Counts one less. The channel is let go some time after the last. */
  exit(room: string): void;
}
