import { EventEmitter } from "node:events";
import type { Server } from "node:http";
import { type WebSocket, WebSocketServer } from "ws";

/** A socket with the ids that the document reads from it. */
type DocumentedSocket = WebSocket & { readonly userId: string; readonly connectionId: string };

/**
 * Stands in for the application's own server, which the document about games uses and does not define. A
 * client's path names its user and its connection: `/<user>/<connection>`.
 */
export class EnhancedWebSocketServer extends EventEmitter<{
  connect: [DocumentedSocket];
  disconnect: [DocumentedSocket];
}> {
  readonly connections = new Set<DocumentedSocket>();

  constructor(httpServer: Server) {
    super();
    new WebSocketServer({ server: httpServer }).on("connection", (socket, request) => {
      const [userId = "", connectionId = ""] = (request.url ?? "/").slice(1).split("/");
      const connection = Object.assign(socket, { userId, connectionId });
      this.connections.add(connection);
      socket.on("close", () => {
        this.connections.delete(connection);
        this.emit("disconnect", connection);
      });
      this.emit("connect", connection);
    });
  }
}
