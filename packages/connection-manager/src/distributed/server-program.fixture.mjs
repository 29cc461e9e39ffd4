/*
 * A server for tests that runs in its own process: `ws` sockets behind a distributed connection manager.
 * A client connects with ?user=name, receives its connection id, and may then call the manager:
 * {"ref", "call": method, "args"} is answered with {"ref", "value"} or {"ref", "error"}.
 */
import { once } from "node:events";
import { createDistributedConnectionManager } from "@cm/connection-manager";
import { WebSocketServer } from "ws";

const { SERVER_ID, REDIS_URL, REDIS_PREFIX, HEARTBEAT_INTERVAL, HEARTBEAT_TTL } = process.env;

/** A minimal `LocalConnectionManager`: it has no connection limit, and assumes that no client is slow. */
class WsSockets {
  held = new Map();

  get size() {
    return this.held.size;
  }

  add({ connectionId, userId, socket, onClosed }) {
    this.held.set(connectionId, { userId, socket, rooms: new Set() });
    socket.once("close", () => this.held.delete(connectionId) && onClosed());
  }

  remove(connectionId, reason) {
    const held = this.held.get(connectionId);
    this.held.delete(connectionId);
    if (reason !== undefined) held?.socket.close(4201, reason);
  }

  enter(connectionId, room) {
    this.held.get(connectionId)?.rooms.add(room);
  }

  exit(connectionId, room) {
    this.held.get(connectionId)?.rooms.delete(room);
  }

  lastSeenOf() {
    return undefined;
  }

  toRoom(room, frame, except) {
    const text = Buffer.from(frame).toString();
    for (const [connectionId, { socket, rooms }] of this.held) {
      if (rooms.has(room) && !except.includes(connectionId)) socket.send(text);
    }
  }

  toConnection(connectionId, frame) {
    const held = this.held.get(connectionId);
    held?.socket.send(Buffer.from(frame).toString());
    return held !== undefined;
  }

  toUser(userId, frame) {
    const ids = [...this.held].filter(([, held]) => held.userId === userId).map(([id]) => id);
    for (const id of ids) this.toConnection(id, frame);
    return ids.length;
  }
}

const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
await once(server, "listening");
const { port } = server.address();

const manager = await createDistributedConnectionManager(new WsSockets(), {
  redisUrl: REDIS_URL,
  prefix: REDIS_PREFIX,
  serverId: SERVER_ID,
  serverHost: "127.0.0.1",
  serverPort: port,
  heartbeatInterval: Number(HEARTBEAT_INTERVAL),
  heartbeatTTL: Number(HEARTBEAT_TTL),
  onError: (error, { stage }) => console.error(stage, error.code, error.message),
});

server.on("connection", (socket, request) => {
  const user = new URL(request.url, "ws://localhost").searchParams.get("user");
  manager.registerConnection(socket, user).then(
    (connectionId) => socket.send(JSON.stringify({ type: "registered", connectionId })),
    (error) => socket.close(1011, error.code),
  );
  socket.on("message", (data) => {
    const { ref, call, args } = JSON.parse(String(data));
    Promise.resolve(manager[call](...args)).then(
      (value) => socket.send(JSON.stringify({ ref, value })),
      (error) => socket.send(JSON.stringify({ ref, error: error.code })),
    );
  });
});

process.once("SIGTERM", () => {
  manager.shutdown().then(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
});

console.log(JSON.stringify({ port }));
