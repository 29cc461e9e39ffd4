import { isUtf8 } from "node:buffer";
import {
  CmError,
  encodePositions,
  type LocalDelivery,
  type NumberingPosition,
  type OperationOutcome,
  type ServerOperation,
} from "@cm/protocol";
import type { ControlHandler, QuestionHandler, ServerMessageHandler } from "../options.js";
import type { CarryOut } from "./incoming-requests.js";

/** Who carries out what servers ask of each other. */
export interface OperationsOptions {
  readonly local: LocalDelivery;
  readonly onServerMessage: ServerMessageHandler;
  readonly onControl: ControlHandler;
  readonly onQuestion: QuestionHandler;
  /** How far this server's numbering of a room has come. */
  readonly roomPosition: (room: string) => NumberingPosition;
  /** How far this server's numbering of another server's channel has come. */
  readonly serverPosition: (serverId: string) => NumberingPosition;
}

const NOTHING = new Uint8Array(0);
const DONE: OperationOutcome = { type: "done", body: NOTHING };
const NOT_FOUND: OperationOutcome = { type: "not-found" };

/** Hands each operation to the one who can carry it out. */
export function createOperations(options: OperationsOptions): CarryOut {
  const { local, onServerMessage, onQuestion } = options;
  return (operation: ServerOperation, origin: string) => {
    switch (operation.type) {
      case "deliver-connection":
        requireText(operation.frame);
        return local.toConnection(operation.connectionId, operation.frame) ? DONE : NOT_FOUND;
      case "deliver-user":
        requireText(operation.frame);
        return local.toUser(operation.userId, operation.frame) > 0 ? DONE : NOT_FOUND;
      case "deliver-server":
        onServerMessage({ origin, payload: operation.payload });
        return DONE;
      case "ping":
        return DONE;
      case "question":
        // A copy: the handler may wait, and the bytes are the bus's.
        return onQuestion(operation.question.slice(), origin).then((body) => ({ type: "done", body }));
      case "positions": {
        const { roomPosition, serverPosition } = options;
        const body = encodePositions([serverPosition(origin), ...operation.rooms.map(roomPosition)]);
        return { type: "done", body };
      }
      default:
        return control(options.onControl, operation);
    }
  };
}

async function control(onControl: ControlHandler, operation: Parameters<ControlHandler>[0]): Promise<OperationOutcome> {
  return (await onControl(operation)) === "done" ? DONE : NOT_FOUND;
}

/** A text frame that is not UTF-8 makes a browser give up its connection. */
function requireText(frame: Uint8Array): void {
  if (!isUtf8(frame)) throw new CmError("frame-not-text", "The frame is not UTF-8.");
}
