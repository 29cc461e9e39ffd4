import type { HistoryPosition } from "./history.js";

/**
 * The sockets of this process, as the router sees them. The frame's bytes are only valid during the call. No call
 * should throw: the transport handles a socket that can't take a frame. If `toRoom` throws, or a call returns a promise
 * that rejects, the error goes to the router's `onError` and other deliveries continue.
 */
export interface LocalDelivery {
  /**
   * Delivers a frame to every local member of the room except the connections in `except`. Frames
   * arrive in the order of the calls.
   */
  toRoom(room: string, frame: Uint8Array, except: readonly string[]): void;
  /** Delivers a frame to one connection. Returns whether the connection is open here and took the frame. */
  toConnection(connectionId: string, frame: Uint8Array): boolean;
  /**
   * Delivers a frame to the user's local connections. Returns the number of connections that took the
   * frame.
   */
  toUser(userId: string, frame: Uint8Array): number;
}

/** A room that this process receives messages of. */
export interface EnteredRoom {
  /**
   * The position in the room's history up to which local members have received messages; `undefined` if the
   * room is not recoverable. It changes with each message, until the `exit`.
   */
  readonly position: HistoryPosition | undefined;
}

/** The rooms that this process wants to receive messages of. */
export interface RoomInterest {
  /**
   * Begins an interest in the room, for one member or on behalf of many: a membership of `@cm/membership` calls it
   * once for all local members. Resolves when the room's channel is live on this server: no message published
   * after that moment is missed. Resolves with `undefined` if this server keeps no room histories. If it rejects,
   * nothing has begun.
   */
  enter(room: string): Promise<EnteredRoom | undefined>;
  /**
   * Ends one interest in the room; each `enter` that resolved needs one `exit`. The room's channel is unsubscribed
   * some time after the last interest has ended.
   */
  exit(room: string): void;
}
