import type { CloseReason } from "../close-codes.js";
import type { LocalDelivery } from "./local-delivery.js";

/** A socket that is put under a connection id. */
export interface LocalConnection<S> {
  /** The connection's id. */
  readonly connectionId: string;
  /** Whose connection it is. */
  readonly userId: string;
  /** The socket, as its library made it. */
  readonly socket: S;
  /**
   * Called once when the socket has closed, from either side, unless the connection was
   * removed before. Never from within `add`.
   */
  readonly onClosed: () => void;
}

/**
 * The sockets of one process and the rooms they hear, whatever library they come from:
 * what a distributed connection manager needs to know of them. Promises:
 *
 * - A connection gets what is delivered to it and its rooms in the order of the calls, each
 *   frame as one text message. One that can't keep up is closed before it can miss a
 *   frame; what waits for it is bounded.
 * - Only `add` throws. Every other call about a connection that is not here does nothing.
 * - A socket is never touched after its close.
 */
export interface LocalConnectionManager<S> extends LocalDelivery {
  /** Connections that are here now. */
  readonly size: number;
  /**
   * Throws `capacity-reached` where there are as many as there may be (10,000 unless it is
   * said otherwise), `id-invalid` where the id or the socket is here already, and `closed`
   * where the socket is not open; nothing has changed then.
   */
  add(connection: LocalConnection<S>): void;
  /**
   * Lets a connection go: it is in no room, and gets nothing more. With a reason its
   * socket is closed with that reason's code; without one it stays open.
   */
  remove(connectionId: string, reason?: CloseReason): void;
  /** From now on the connection gets what is delivered to the room. Idempotent. */
  enter(connectionId: string, room: string): void;
  /** From now on it does not. Idempotent. */
  exit(connectionId: string, room: string): void;
  /**
   * When something last came from the connection's client, in milliseconds since the Unix
   * epoch; `undefined` where it is not here.
   */
  lastSeenOf(connectionId: string): number | undefined;
}
