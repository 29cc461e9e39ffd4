import {
  encodePositions,
  type LocalDelivery,
  type OperationOutcome,
  type SequencerPosition,
  type ServerOperation,
} from "@cm/protocol";
import type { ControlHandler, QuestionHandler, ServerMessageHandler } from "../options.js";
import { requireUtf8 } from "../payload-checks.js";
import type { CarryOut } from "./incoming-requests.js";

/** The handlers of the operations that servers request of each other. */
export interface OperationsOptions {
  readonly local: LocalDelivery;
  readonly onServerMessage: ServerMessageHandler;
  readonly onControl: ControlHandler;
  readonly onQuestion: QuestionHandler;
  /** The position of this server's sequencer for a room. */
  readonly roomPosition: (room: string) => SequencerPosition;
  /** The position of this server's sequencer for another server's channel. */
  readonly serverPosition: (serverId: string) => SequencerPosition;
}

const NOTHING = new Uint8Array(0);
const DONE: OperationOutcome = { type: "done", body: NOTHING };
const NOT_FOUND: OperationOutcome = { type: "not-found" };

/** Returns a function that passes each operation to the handler that executes it. */
export function createOperations(options: OperationsOptions): CarryOut {
  const { local, onServerMessage, onQuestion } = options;
  return (operation: ServerOperation, origin: string) => {
    switch (operation.type) {
      case "deliver-connection":
        requireUtf8(operation.frame);
        return local.toConnection(operation.connectionId, operation.frame) ? DONE : NOT_FOUND;
      case "deliver-user":
        requireUtf8(operation.frame);
        return local.toUser(operation.userId, operation.frame) > 0 ? DONE : NOT_FOUND;
      case "deliver-server":
        onServerMessage({ origin, payload: operation.payload });
        return DONE;
      case "ping":
        return DONE;
      case "question":
        // Pass a copy, because the handler may wait and the bytes belong to the bus.
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
