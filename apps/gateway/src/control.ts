import { CmError } from "@cm/protocol";
import type { ControlHandler } from "@cm/router";
import type { UwsConnection } from "@cm/server-uws";
import type { ClientSession } from "./session/client-session.js";

/** An open connection and the session that it carries once it has one. */
type Controlled = Pick<UwsConnection<{ readonly session?: ClientSession }>, "close" | "data">;

/**
 * Carries out what other servers ask of this gateway's connections. To drain a gateway is
 * not offered yet, and refused with `operation-unknown`.
 */
export function createControlHandler(connectionOf: (id: string) => Controlled | undefined): ControlHandler {
  return async (operation) => {
    if (operation.type === "drain") {
      throw new CmError("operation-unknown", "A gateway can't be drained from outside.");
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
