import type { TransportConnection } from "./transport-connection.js";

/**
 * Receives the events of the connections. An error that a method throws goes to `onError` and closes that
 * connection with `internal`; other connections are not affected.
 */
export interface ConnectionHandler<U> {
  /** Called first for a connection. Frames can already be sent. */
  open(connection: TransportConnection<U>): void;
  /** Called for a text frame of at most `maxFrameBytes`. */
  frame(connection: TransportConnection<U>, text: string): void;
  /** Called for a binary frame; its content is not passed on. */
  binary(connection: TransportConnection<U>): void;
  /**
   * Called last for a connection, exactly once for each connection that was opened. `send` returns `false` from
   * here on. `code` is the code that the server closed with or that the client sent, or 1006 if the socket
   * ended without a close frame.
   */
  closed(connection: TransportConnection<U>, code: number, reason: string): void;
  /** Called for each pong of the client, including pongs that answer no ping. */
  pong?(connection: TransportConnection<U>): void;
}
