/** The version of the bus message that this package writes. */
export const ENVELOPE_VERSION = 1;

/**
 * What a bus message is addressed to.
 *
 * - `room`: the members of the room `target`, on every server that has some
 * - `connection`: the one connection `target`
 * - `user`: every connection of the user `target` on the receiving server
 * - `server`: the application on server `target`; sockets never see it
 * - `control`: the server `target` itself (disconnect, drain and the like)
 */
export type MessageKind = "room" | "connection" | "user" | "server" | "control";

/**
 * A message between servers. On the wire it is a small binary header and the payload
 * as it is; {@link encodeEnvelope} and {@link decodeEnvelope} translate.
 */
export interface CrossServerMessage {
  /** The version of the envelope. */
  readonly version: typeof ENVELOPE_VERSION;
  /** What the message is addressed to. */
  readonly kind: MessageKind;
  /** Id of the server that sent it. */
  readonly origin: string;
  /**
   * Which numbering the sequence belongs to, 0 to 2^32 - 1. An origin that numbers a
   * room from 1 again (it restarted, or had forgotten an idle room) draws another one.
   */
  readonly epoch: number;
  /** Position in the origin's numbering for this target, from 1; 0 where it is not numbered. */
  readonly sequence: number;
  /** Room name, connection id, user id or server id, as `kind` says. */
  readonly target: string;
  /** Ids of connections that a room message leaves out; at most {@link ENVELOPE_EXCEPT_MAX}. */
  readonly except: readonly string[];
  /** Whether the payload begins with the stamp of a room's history; see `readHistoryStamp`. Absent: no. */
  readonly isStamped?: boolean;
  /** Opaque bytes; for rooms, connections and users the finished client frame. */
  readonly payload: Uint8Array;
}

/** The most connections that one room message can leave out (its count is one byte). */
export const ENVELOPE_EXCEPT_MAX = 255;
