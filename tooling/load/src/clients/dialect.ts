/**
 * The protocol of a kind of server. The driver implements sockets, pacing, checking and timing; a dialect
 * only defines the frames. Messages are recognized by the stamp in their payload, regardless of the bytes
 * around it, and are never passed to the dialect.
 */
export interface Dialect {
  /** The subprotocol requested in the handshake. */
  readonly subprotocol: string | undefined;
  /** Path and query of the handshake. */
  path(url: URL, user: string): string;
  createSession(placement: Placement, port: SessionPort): DialectSession;
}

/** The user and the room of a connection. */
export interface Placement {
  readonly room: string;
  readonly user: string;
}

/** Callbacks of a session to the driver. */
export interface SessionPort {
  send(text: string): void;
  /**
   * Reports that the connection has joined its room: from now on it is expected to receive all messages to the
   * room.
   */
  joined(): void;
  /** Reports that the publish with this sequence was accepted. */
  accepted(sequence: number): void;
  /** Reports that the publish with this sequence was refused: no member is expected to receive the message. */
  refused(sequence: number, code: string): void;
  /** Reports an error that is not the response to a publish. */
  failed(code: string): void;
  /** Reports that the server has announced missed messages. */
  gapReported(missed: number): void;
}

/** The client side of one connection's protocol. */
export interface DialectSession {
  /** Called when the handshake is complete. */
  opened(): void;
  /** Called with a text frame without a stamp. */
  control(text: string): void;
  /** Returns the frame that publishes a payload. The payload has only characters that need no escape in JSON. */
  publish(payload: string, sequence: number): string;
}
