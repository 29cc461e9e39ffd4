import type { CloseReason } from "@cm/protocol";

/** One open WebSocket. After the close, every call is a no-op. */
export interface TransportConnection<U> {
  /** The connection's id, which begins with the id of its server. */
  readonly id: string;
  /** The user that the connection belongs to, as returned by `authenticate`. */
  readonly userId: string;
  /** The `data` that `authenticate` returned. */
  readonly data: U;
  /** The client's address, as determined for the upgrade request. */
  readonly remoteAddress: string;
  /** Time of the upgrade, in milliseconds since the Unix epoch. */
  readonly openedAt: number;
  /** Time of the last frame, ping or pong from the client, in milliseconds since the Unix epoch. */
  readonly lastSeenAt: number;
  /** Whether frames can still be sent. */
  readonly open: boolean;
  /** Bytes that are queued to be written; 0 after the close. */
  readonly bufferedBytes: number;
  /**
   * Sends a text frame; bytes must be UTF-8. Returns `false` if the connection is closed, or was closed by this
   * call as a slow consumer. The frame keeps its order with messages to the connection's rooms, unless those are
   * delayed (see `TransportServer`). Throws `options-invalid` if the frame is neither a string nor bytes.
   */
  send(frame: string | Uint8Array): boolean;
  /** The connection gets the room's messages from now on. Idempotent. */
  enter(room: string): void;
  /** The connection gets no more messages of the room. Messages sent before still arrive. Idempotent. */
  leave(room: string): void;
  /**
   * Closes the connection with the reason's code. The close frame contains `message`, cut to 123 bytes; default: the
   * reason. Buffered bytes are still written, unless there are more than 64 KiB: a client that reads so slowly would
   * delay the close too long, so its socket is destroyed (the client sees 1006). Throws `options-invalid` for an
   * unknown reason.
   */
  close(reason: CloseReason, message?: string): void;
}
