import type { ControlHandler } from "@cm/router";
import type { TransportConnection } from "@cm/transport";
import type { SessionHolder } from "./session/session-handler.js";

/** An open connection; its `data` contains the session once there is one. */
type Controlled = Pick<TransportConnection<Pick<SessionHolder, "session">>, "close" | "data">;

/**
 * Creates the handler for the operations that other servers request of this gateway and its connections. A
 * requested drain is confirmed as soon as it has begun.
 */
export function createControlHandler(
  connectionOf: (id: string) => Controlled | undefined,
  beginDrain: () => void,
): ControlHandler {
  return async (operation) => {
    if (operation.type === "drain") {
      beginDrain();
      return "done";
    }
    const connection = connectionOf(operation.connectionId);
    if (connection === undefined) return "not-found";
    if (operation.type === "disconnect") {
      connection.close(operation.reason);
      return "done";
    }
    const { session } = connection.data;
    const { type, room } = operation;
    const isDone = await (type === "join" ? session?.admit(room) : session?.expel(room));
    return isDone === true ? "done" : "not-found";
  };
}
