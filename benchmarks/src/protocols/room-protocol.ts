/** The meaning of a frame from a server, as far as it matters to a client that only uses rooms. */
export type Heard =
  /** The connection may send requests now. */
  | { readonly kind: "ready" }
  /** The join is done: messages to its room arrive from now on. A client has one join in progress at a time. */
  | { readonly kind: "joined" }
  /** The client must send this frame. */
  | { readonly kind: "answer"; readonly frame: string }
  | { readonly kind: "failed"; readonly code: string }
  | { readonly kind: "ignored" };

/** The frames of a contender. Payloads have only characters that need no escape in JSON. */
export interface RoomProtocol {
  /** The subprotocol requested in the handshake. */
  readonly subprotocol: string | undefined;
  /** Path and query of the handshake. */
  path(url: URL, user: string): string;
  /** The frame that a client sends when the handshake is complete; `undefined` if the server sends first. */
  readonly greeting: string | undefined;
  /** Whether a client may send requests as soon as the handshake is complete. */
  readonly readyWhenOpen: boolean;
  /** Reads a frame that is not a message to a room. */
  hear(text: string): Heard;
  /** The frame that joins a room; `join` is its number on this connection, from 1. */
  join(room: string, join: number): string;
  publish(room: string, payload: string): string;
  /**
   * The frame that sends a payload to a user, or `undefined` if the contender has no users; each user is then
   * reached through a room of its own.
   */
  readonly send: ((user: string, payload: string) => string) | undefined;
}
