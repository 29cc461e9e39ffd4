/** The version of the bus message that this package writes. */
export const ENVELOPE_VERSION = 1;

/**
 * The kind of recipient that a bus message is addressed to.
 *
 * - `room`: the members of the room `target`, on every server that has members of it
 * - `connection`: the one connection `target`
 * - `user`: every connection of the user `target` on the receiving server
 * - `server`: the application on the server `target`; not delivered to sockets
 * - `control`: the server `target` itself, for requests such as disconnect and drain, and their answers
 */
export type MessageKind = "room" | "connection" | "user" | "server" | "control";

/**
 * A message between servers. On the wire it is a small binary header, followed by the payload
 * unchanged; see {@link encodeEnvelope} and {@link decodeEnvelope}.
 */
export interface CrossServerMessage {
  /** The version of the envelope. */
  readonly version: typeof ENVELOPE_VERSION;
  /** The kind of recipient that `target` names. */
  readonly kind: MessageKind;
  /** The id of the server that sent the message. */
  readonly origin: string;
  /**
   * Identifies the numbering that the sequence belongs to, 0 to 2^32 - 1. A server that starts numbering a
   * room from 1 again (because it restarted, or had dropped the sequencer of an idle room) draws another
   * epoch.
   */
  readonly epoch: number;
  /**
   * The message's number in the origin's numbering for this target, from 1; 0 if the message is not
   * numbered.
   */
  readonly sequence: number;
  /** A room name, connection id, user id or server id, depending on `kind`. */
  readonly target: string;
  /** Ids of connections that do not receive a room message; at most {@link ENVELOPE_EXCEPT_MAX}. */
  readonly except: readonly string[];
  /**
   * Whether the payload begins with the stamp of a room's history; see `readHistoryStamp`. Absent means
   * `false`.
   */
  readonly isStamped?: boolean;
  /** Opaque bytes. For rooms, connections and users: the finished client frame. */
  readonly payload: Uint8Array;
}

/** The maximum number of connections that one room message can leave out (the count is one byte). */
export const ENVELOPE_EXCEPT_MAX = 255;
