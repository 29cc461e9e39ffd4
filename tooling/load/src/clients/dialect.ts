/**
 * How a kind of server is spoken to. The driver owns sockets, pacing, checking and
 * timing; a dialect only says what the frames look like. Messages are recognised by
 * the stamp in their payload, whatever stands around it, and never reach the dialect.
 */
export interface Dialect {
  /** Asked for in the handshake. */
  readonly subprotocol: string | undefined;
  /** Path and query of the handshake. */
  path(url: URL, user: string): string;
  createSession(seat: Seat, port: SessionPort): DialectSession;
}

/** Who a connection is, and where it belongs. */
export interface Seat {
  readonly room: string;
  readonly user: string;
}

/** What a session tells the driver. */
export interface SessionPort {
  send(text: string): void;
  /** The connection is in its room: whatever is published from here on is expected. */
  joined(): void;
  /** The publish with this sequence was accepted. */
  accepted(sequence: number): void;
  /** The publish with this sequence was refused: no member is expected to get it. */
  refused(sequence: number, code: string): void;
  /** An error that is not the answer to a publish. */
  failed(code: string): void;
  /** The server said that messages were missed. */
  gapTold(missed: number): void;
}

/** One connection's side of the conversation. */
export interface DialectSession {
  /** The handshake is done. */
  opened(): void;
  /** A text frame that carries no stamp. */
  control(text: string): void;
  /** The frame that publishes a payload: plain characters that need no escape in JSON. */
  publish(payload: string, sequence: number): string;
}
