/*
 * One of the processes: a plain server of the `ws` package. The path of a client's URL names its room, and what
 * the client sends goes to all members of the room, on all processes.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { LocalDelivery } from "@cm/protocol";
import { createRedisStore } from "@cm/redis-store";
import { createRouter } from "@cm/router";
import { WebSocket, WebSocketServer } from "ws";

const serverId = `server-${process.pid}`; // Must differ from the ids of all other living servers; on several machines, include the host's name.
const store = createRedisStore({
  url: process.env.REDIS_URL ?? "redis://127.0.0.1:6379",
  prefix: process.env.REDIS_PREFIX ?? "cm",
});
await store.start();

const rooms = new Map<string, Set<WebSocket>>();
const local: LocalDelivery = {
  toRoom(room, frame) {
    const text = Buffer.from(frame).toString();
    for (const socket of rooms.get(room) ?? []) socket.send(text);
  },
  // Not used, because this server sends messages only to rooms, not to a connection or a user.
  toConnection: () => false,
  toUser: () => 0,
};
const router = createRouter({ serverId, store, local });
await router.start();

async function welcome(socket: WebSocket, room: string): Promise<void> {
  await router.enter(room);
  // The client may have left meanwhile. Each `enter` needs one `exit`; otherwise the process never unsubscribes.
  if (socket.readyState !== WebSocket.OPEN) return router.exit(room);
  const members = rooms.get(room) ?? new Set();
  rooms.set(room, members.add(socket));
  socket.on("close", () => {
    members.delete(socket);
    if (members.size === 0) rooms.delete(room);
    router.exit(room);
  });
  socket.on("message", (data) => {
    router.toRoom(room, Buffer.from(String(data))).catch((error: unknown) => console.error(error));
  });
  socket.send("you are in");
}

const server = new WebSocketServer({ port: Number(process.env.PORT ?? 3001), host: "127.0.0.1", maxPayload: 16_384 });
server.on("connection", (socket, request) => {
  socket.on("error", () => undefined); // For example, a message is too large; `ws` then closes the socket.
  const [room = "/"] = (request.url ?? "/").split("?");
  welcome(socket, room).catch(() => socket.close(1013));
});
await once(server, "listening");
console.log(`listening on ${(server.address() as AddressInfo).port}`); // An object, because the server listens on TCP.

process.once("SIGTERM", async () => {
  for (const client of server.clients) client.terminate();
  server.close();
  await router.close();
  await store.close();
});
