import type { CloseReason } from "@cm/protocol";

/** One open WebSocket. After it closed, every call is harmless and does nothing. */
export interface TransportConnection<U> {
  /** The connection's id, which begins with the id of its server. */
  readonly id: string;
  /** Whose connection it is, as `authenticate` said. */
  readonly userId: string;
  /** What `authenticate` gave. */
  readonly data: U;
  /** The client's address, as the upgrade request has it. */
  readonly remoteAddress: string;
  /** Milliseconds since the Unix epoch. */
  readonly openedAt: number;
  /** When the last frame, ping or pong came; milliseconds since the Unix epoch. */
  readonly lastSeenAt: number;
  /** Whether it can still be sent to. */
  readonly open: boolean;
  /** Bytes that wait to be written; 0 after the close. */
  readonly bufferedBytes: number;
  /**
   * Sends a text frame; bytes must be UTF-8. False where the connection is closed, or
   * was closed now as a slow consumer. In order with what its rooms get, unless that waits
   * (see `TransportServer`). Throws `options-invalid` for what is neither, such as an object.
   */
  send(frame: string | Uint8Array): boolean;
  /** From now on the connection gets what is sent to the room. Idempotent. */
  enter(room: string): void;
  /** From now on it doesn't. What was sent before still arrives. Idempotent. */
  leave(room: string): void;
  /**
   * Closes with the reason's code. The close frame says `message`, cut to 123 bytes;
   * default: the reason. What waits is still written, unless it is more than 64 KiB:
   * such a client would hold on to it too long, and is cut off (it sees 1006). Throws `options-invalid` for a
   * reason that there is not.
   */
  close(reason: CloseReason, message?: string): void;
}
