import type { CloseReason } from "../close-codes.js";
import type { ErrorCode } from "../errors.js";
import type { EnvelopePosition } from "./envelope-codec.js";

/**
 * A request from one server to another, in a message of the kind `control`. Each request is answered.
 *
 * - `deliver-*`: the same as the message kinds `connection`, `user` and `server`, with an answer
 * - `disconnect`, `join`, `leave`: for a connection that the asked server holds
 * - `drain`, `ping`: for the asked server itself
 * - `question`: for the application on the asked server
 * - `positions`: requests the latest position of the asked server's sequencer for the asking server's channel,
 *   then for each of `rooms`; see `encodePositions`
 */
export type ServerOperation =
  | { readonly type: "deliver-connection"; readonly connectionId: string; readonly frame: Uint8Array }
  | { readonly type: "deliver-user"; readonly userId: string; readonly frame: Uint8Array }
  | { readonly type: "deliver-server"; readonly payload: Uint8Array }
  | ControlOperation
  | { readonly type: "question"; readonly question: Uint8Array }
  | { readonly type: "positions"; readonly rooms: readonly string[] };

/** The requests about a connection that the asked server holds, or about that server itself. */
export type ControlOperation =
  | { readonly type: "disconnect"; readonly connectionId: string; readonly reason: CloseReason }
  | { readonly type: "join"; readonly connectionId: string; readonly room: string }
  | { readonly type: "leave"; readonly connectionId: string; readonly room: string }
  | { readonly type: "drain" }
  | { readonly type: "ping" };

/** The result of an operation. The body is empty if the operation has no result. */
export type OperationOutcome =
  | { readonly type: "done"; readonly body: Uint8Array }
  | { readonly type: "not-found" }
  | { readonly type: "refused"; readonly code: ErrorCode };

/** The payload of a message of the kind `control`. */
export type ControlPayload =
  | {
      readonly type: "request";
      readonly operation: ServerOperation;
      /**
       * How long the asking server waits for the answer, in milliseconds, 0 to 2^32 - 1. It ignores a later
       * answer.
       */
      readonly timeoutMs: number;
    }
  | {
      readonly type: "answer";
      /** The position of the request in the asking server's numbering. */
      readonly to: EnvelopePosition;
      readonly outcome: OperationOutcome;
    };

/**
 * The maximum size of a question, of an answer and of a list of rooms, in bytes. It is small, because the
 * answers of all servers are held in memory at once.
 */
export const QUESTION_MAX_BYTES = 65_536;
