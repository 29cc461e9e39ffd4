/*
 * One of any number of processes on one Redis, with sockets of the `ws` package. The path of a client's URL names
 * its room, and `?user=` names its user. A line from the client goes to the room, except `/who`, which is
 * answered.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createNode } from "@cm/node";
import { createLocalConnectionManager } from "@cm/server-ws";
import { type WebSocket, WebSocketServer } from "ws";

const local = createLocalConnectionManager(); // The sockets of this process, by connection, user and room.
const node = createNode({
  redisUrl: process.env.REDIS_URL ?? "redis://127.0.0.1:6379",
  prefix: process.env.REDIS_PREFIX, // The same in all processes; `cm` by default.
  deadAfterMs: Number(process.env.DEAD_AFTER_MS ?? 5_000),
  local,
  onExpelled: () => process.exit(1),
});
await node.start();

async function welcome(socket: WebSocket, path: string): Promise<void> {
  const { pathname: room, searchParams } = new URL(path, "ws://localhost");
  const userId = searchParams.get("user") ?? "guest"; // Put your login here.
  const connectionId = node.membership.nextConnectionId();
  local.add({ connectionId, userId, socket, onClosed: () => void node.membership.close(connectionId) });
  await node.membership.open({ connectionId, userId }); // The user is online from now on.
  await node.membership.join(connectionId, room); // No message that is sent to the room from now on is missed.
  local.enter(connectionId, room);
  socket.on("message", (data) => {
    const line = String(data);
    const done =
      line === "/who" ? who(room).then((text) => socket.send(text)) : node.router.toRoom(room, `${userId}: ${line}`);
    done.catch((error: unknown) => console.error(error));
  });
  socket.send("you are in");
}

async function who(room: string): Promise<string> {
  // The first 100 of each. If there are more, the result has a `cursor`, with which to request the next page.
  const [members, users] = await Promise.all([
    node.presence.roster(room, { limit: 100 }),
    node.presence.online({ limit: 100 }),
  ]);
  const names = (items: readonly { userId: string }[]) => [...new Set(items.map(({ userId }) => userId))].sort();
  return JSON.stringify({ members: names(members.items), online: names(users.items) });
}

const server = new WebSocketServer({ port: Number(process.env.PORT ?? 3001), host: "127.0.0.1", maxPayload: 16_384 });
server.on("connection", (socket, request) => {
  socket.on("error", () => undefined); // For example, a message is too large; `ws` then closes the socket.
  welcome(socket, request.url ?? "/").catch(() => socket.close(1013));
});
await once(server, "listening");
console.log(`listening on ${(server.address() as AddressInfo).port}`); // An object, because the server listens on TCP.

process.once("SIGTERM", async () => {
  for (const socket of server.clients) socket.close(1001);
  server.close();
  await node.close();
});
