import type { ErrorCode } from "../errors.js";
import type { Ref } from "./client-frame.js";

/** Who sent a message. A message from the application itself has no sender. */
export interface Sender {
  readonly connection: string;
  readonly user: string;
}

/** One member in a `members` frame. */
export interface MemberEntry {
  readonly connection: string;
  readonly user: string;
  /** Id of the server that holds the connection. */
  readonly server: string;
}

/** What the server grants a connection, told in `welcome`. */
export interface ConnectionLimits {
  /** The largest frame that a client may send, in bytes. */
  readonly maxFrameBytes: number;
  /** The most rooms that the connection may be in at a time. */
  readonly maxRooms: number;
  /** Sustained requests a second; a burst of twice as many is allowed. */
  readonly maxRequestsPerSecond: number;
  /** The connection is closed after so long without a frame or pong from the client. */
  readonly idleTimeoutMs: number;
}

/** What a server sends to a client. */
export type ServerFrame =
  | {
      readonly type: "welcome";
      readonly version: number;
      readonly connection: string;
      readonly user: string;
      readonly server: string;
      readonly limits: ConnectionLimits;
      readonly ref?: Ref;
    }
  | {
      readonly type: "ack";
      readonly ref: Ref;
      readonly outcome?: DirectOutcome;
      /** Of a join of a recoverable room: where the room is. */
      readonly epoch?: number;
      readonly offset?: number;
      /** Of a join that named a place: whether all that came after it follows, or nothing of it. */
      readonly recovered?: boolean;
    }
  | {
      readonly type: "error";
      readonly code: ErrorCode;
      readonly message: string;
      readonly retryable: boolean;
      readonly ref?: Ref;
    }
  | {
      readonly type: "message";
      readonly room: string;
      /** Of a recoverable room: the message's place in its history. */
      readonly epoch?: number;
      readonly offset?: number;
      readonly from?: Sender;
      readonly data: unknown;
    }
  | { readonly type: "direct"; readonly from?: Sender; readonly data: unknown }
  | {
      readonly type: "members";
      readonly room: string;
      readonly members: readonly MemberEntry[];
      /** Living members of the room, on all pages. */
      readonly total: number;
      readonly cursor?: string;
      readonly ref?: Ref;
    }
  | {
      readonly type: "gap";
      readonly room: string;
      /** How many messages are missing; absent where only that some may be is known. */
      readonly missed?: number;
    }
  | { readonly type: "pong"; readonly ref?: Ref };

/**
 * How far a direct message came by the time of the answer.
 *
 * - `delivered`: handed to a socket on this server
 * - `sent`: handed to the server that owns the connection
 */
export type DirectOutcome = "delivered" | "sent";

/** A frame as text, with the reference of the request that it answers. `data` must be a value that JSON can carry and not nested without end. */
export function encodeServerFrame(frame: ServerFrame & { readonly ref?: Ref }): string {
  return JSON.stringify(frame);
}
