import type { CloseReason } from "../close-codes.js";
import type { ErrorCode } from "../errors.js";
import type { EnvelopePosition } from "./envelope-codec.js";

/**
 * What one server asks of another, in a message of the kind `control`. Each is answered.
 *
 * - `deliver-*`: what the kinds `connection`, `user` and `server` carry, with an answer
 * - `disconnect`, `join`, `leave`: of a connection that the asked server holds
 * - `drain`, `ping`: of the server itself
 * - `question`: of the application
 * - `positions`: how far the asked server's numbering of these rooms, and of the asker's
 *   own channel, has come; see `encodePositions`
 */
export type ServerOperation =
  | { readonly type: "deliver-connection"; readonly connectionId: string; readonly frame: Uint8Array }
  | { readonly type: "deliver-user"; readonly userId: string; readonly frame: Uint8Array }
  | { readonly type: "deliver-server"; readonly payload: Uint8Array }
  | ControlOperation
  | { readonly type: "question"; readonly question: Uint8Array }
  | { readonly type: "positions"; readonly rooms: readonly string[] };

/** What a server is asked to do with a connection that it holds, or with itself. */
export type ControlOperation =
  | { readonly type: "disconnect"; readonly connectionId: string; readonly reason: CloseReason }
  | { readonly type: "join"; readonly connectionId: string; readonly room: string }
  | { readonly type: "leave"; readonly connectionId: string; readonly room: string }
  | { readonly type: "drain" }
  | { readonly type: "ping" };

/** What came of an operation. The body is empty where the operation has nothing to tell. */
export type OperationOutcome =
  | { readonly type: "done"; readonly body: Uint8Array }
  | { readonly type: "not-found" }
  | { readonly type: "refused"; readonly code: ErrorCode };

/** The payload of a message of the kind `control`. */
export type ControlPayload =
  | {
      readonly type: "request";
      readonly operation: ServerOperation;
      /** How long the asker waits, in milliseconds, 0 to 2^32 - 1: an answer later than that is of no use. */
      readonly timeoutMs: number;
    }
  | {
      readonly type: "answer";
      /** Position of the request in the asker's numbering. */
      readonly to: EnvelopePosition;
      readonly outcome: OperationOutcome;
    };

/** The largest question and the largest answer, in bytes: a cluster's answers are held all at once. */
export const QUESTION_MAX_BYTES = 65_536;
