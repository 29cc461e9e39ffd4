/**
 * A typical handwritten server with `ws` and ioredis: it has a set of sockets and a channel for each room. It
 * uses the protocol of the handwritten minimum: `+room` joins a room; `=room` followed by a line feed and a
 * payload publishes the payload.
 */
import { Redis } from "ioredis";
import { type WebSocket, WebSocketServer } from "ws";

const redisUrl = process.env.REDIS_URL ?? "";
const publisher = new Redis(redisUrl);
const subscriber = new Redis(redisUrl);
await Promise.all([publisher.ping(), subscriber.ping()]);

const rooms = new Map<string, Set<WebSocket>>();
const roomsOf = new Map<WebSocket, Set<WebSocket>[]>();

subscriber.on("message", (room: string, message: string) => {
  for (const socket of rooms.get(room) ?? []) if (socket.readyState === socket.OPEN) socket.send(message);
});

async function join(socket: WebSocket, room: string): Promise<void> {
  let members = rooms.get(room);
  if (members === undefined) {
    members = new Set();
    rooms.set(room, members);
  }
  await subscriber.subscribe(room);
  // A connection that has closed meanwhile has no rooms any more.
  const joined = roomsOf.get(socket);
  if (joined === undefined) return;
  members.add(socket);
  joined.push(members);
  socket.send(`+${room}`);
}

const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.env.PORT), path: "/ws" });
server.on("connection", (socket) => {
  roomsOf.set(socket, []);
  socket.on("close", () => {
    for (const members of roomsOf.get(socket) ?? []) members.delete(socket);
    roomsOf.delete(socket);
  });
  // Ignore the error: a connection that was reset also emits `close`.
  socket.on("error", () => undefined);
  socket.on("message", (data) => {
    const text = String(data);
    if (text.startsWith("+")) {
      join(socket, text.slice(1)).catch(() => process.exit(1));
    } else {
      publisher.publish(text.slice(1, text.indexOf("\n")), text).catch(() => process.exit(1));
    }
  });
});
process.once("SIGTERM", () => process.exit(0));
