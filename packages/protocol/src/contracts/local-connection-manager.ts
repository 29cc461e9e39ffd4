import type { CloseReason } from "../close-codes.js";
import type { LocalDelivery } from "./local-delivery.js";

/** A socket that is registered under a connection id. */
export interface LocalConnection<S> {
  /** The connection's id. */
  readonly connectionId: string;
  /** The user that the connection belongs to. */
  readonly userId: string;
  /** The socket, an object of the WebSocket library in use. */
  readonly socket: S;
  /**
   * Called once when the socket has closed, from either side, unless the connection was removed before.
   * Never called from within `add`.
   */
  readonly onClosed: () => void;
}

/**
 * The sockets of one process and the rooms that they receive, independent of the socket library: the part
 * that a distributed connection manager depends on. Guarantees:
 *
 * - A connection receives the frames for itself and its rooms in the order of the calls, each frame as one
 *   text message. A connection that can't keep up is closed before it can miss a frame; the bytes queued for
 *   it are bounded.
 * - Only `add` throws. Any other call about a connection that was not added, or was removed, does nothing.
 * - A socket is never used after its close.
 */
export interface LocalConnectionManager<S> extends LocalDelivery {
  /** Number of connections that were added, and have neither been removed nor closed. */
  readonly size: number;
  /**
   * Adds a connection. Throws `capacity-reached` at the maximum number of connections (10,000 by
   * default), `id-invalid` if the id or the socket was added already, and `closed` if the socket is not
   * open; in these cases nothing has changed.
   */
  add(connection: LocalConnection<S>): void;
  /**
   * Removes a connection from all rooms and stops delivering to it. With a reason, its socket is closed
   * with the close code of that reason, or cut (the client sees 1006) if a close frame would arrive too late
   * behind the bytes that are queued. Without a reason, the socket stays open.
   */
  remove(connectionId: string, reason?: CloseReason): void;
  /** Starts delivering the room's frames to the connection. Idempotent. */
  enter(connectionId: string, room: string): void;
  /** Stops delivering the room's frames to the connection. Idempotent. */
  exit(connectionId: string, room: string): void;
  /**
   * When the connection's client last sent something, in milliseconds since the Unix epoch; `undefined` if
   * there is no such connection.
   */
  lastSeenOf(connectionId: string): number | undefined;
}
