import type { TransportConnection } from "./connection.js";

/**
 * Hears what happens on the sockets. What a call throws goes to `onError` and closes
 * that connection with `internal`; nothing else is disturbed.
 */
export interface ConnectionHandler<U> {
  /** First call for a connection. It can be sent to already. */
  open(connection: TransportConnection<U>): void;
  /** A text frame of at most `maxFrameBytes`. */
  frame(connection: TransportConnection<U>, text: string): void;
  /** A binary frame came; its content is not handed on. */
  binary(connection: TransportConnection<U>): void;
  /**
   * Last call for a connection, exactly once for each that was opened. `send` gives
   * false from here on. `code` is what the server closed with, what the client sent,
   * or 1006 where the socket just ended.
   */
  closed(connection: TransportConnection<U>, code: number, reason: string): void;
  /** The client answered a ping. */
  pong?(connection: TransportConnection<U>): void;
}
