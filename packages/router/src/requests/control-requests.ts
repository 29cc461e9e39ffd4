import {
  CLOSE_CODES,
  type CloseReason,
  CmError,
  type ControlOperation,
  requireConnectionId,
  requireName,
  requireServerId,
} from "@cm/protocol";
import { optionInvalid } from "@cm/protocol/options";
import type { Answer } from "./pending-requests.js";

/** A request to a connection (`disconnect`, `join`, `leave`) or to a server (`drain`, `ping`), on any server. */
export type ControlRequest =
  | { readonly type: "disconnect"; readonly reason: CloseReason }
  | { readonly type: "join"; readonly room: string }
  | { readonly type: "leave"; readonly room: string }
  | { readonly type: "drain" }
  | { readonly type: "ping" };

/**
 * The outcome of a control request.
 *
 * - `done`: the other side executed it
 * - `not-found`: the connection is gone, or no process runs the server
 * - `timeout`: no response within the time; it may have been executed
 */
export type ControlOutcome = "done" | "not-found" | "timeout";

/**
 * Returns the server that must execute a control request, and the operation. Throws `options-invalid`, `id-invalid`,
 * `name-invalid` or `name-too-long`.
 */
export function controlOf(
  target: string,
  request: ControlRequest,
): { readonly serverId: string; readonly operation: ControlOperation } {
  switch (request?.type) {
    case "drain":
    case "ping":
      return { serverId: requireServerId(target), operation: { type: request.type } };
    case "disconnect":
      if (!Object.hasOwn(CLOSE_CODES, request.reason)) {
        throw optionInvalid("reason", `one of ${Object.keys(CLOSE_CODES).join(", ")}`);
      }
      return {
        ...ofConnection(target),
        operation: { type: request.type, connectionId: target, reason: request.reason },
      };
    case "join":
    case "leave": {
      const room = requireName(request.room, "room");
      return { ...ofConnection(target), operation: { type: request.type, connectionId: target, room } };
    }
    default:
      throw optionInvalid("request", 'an object whose type is "disconnect", "join", "leave", "drain" or "ping"');
  }
}

/**
 * Converts a response to `done`, `not-found` or `timeout`. If the other server refused the request, throws an error
 * with the code of the refusal.
 */
export function outcomeOf(answer: Answer, serverId: string): ControlOutcome {
  if (answer.type !== "refused") return answer.type;
  throw new CmError(answer.code, `Server ${serverId} refused the request: ${answer.code}.`, { details: { serverId } });
}

function ofConnection(connectionId: string): { readonly serverId: string } {
  return { serverId: requireConnectionId(connectionId).serverId };
}
