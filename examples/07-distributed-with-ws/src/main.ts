/*
 * Sockets across two servers of the `ws` package: rooms, direct messages, and who is gone.
 * The connection manager knows them through `@cm/server-ws`, and does the rest.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { createDistributedConnectionManager } from "@cm/connection-manager";
import { createLocalConnectionManager } from "@cm/server-ws";
import WebSocket, { WebSocketServer } from "ws";
import { openStore } from "./store.js";

/** What this chat's clients send, and are told first. */
type FromClient = { readonly say: string };
type Welcome = { readonly type: "welcome"; readonly connectionId: string };

async function startServer(serverId: string) {
  const store = await openStore(); // Or leave it out, and give `redisUrl` below.
  // #region server
  const manager = await createDistributedConnectionManager(createLocalConnectionManager(), {
    store,
    serverId,
    verifyToken: (token, userId) => token === `${userId}'s secret`, // Ask your auth service here.
    onError: (error, { stage }) => console.error(stage, error),
  });

  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  server.on("connection", (socket, request) => {
    socket.on("error", () => undefined); // Such as a message that is too large; `ws` closes the socket.
    welcome(socket, request.url ?? "/").catch(() => socket.close(1008, "refused"));
  });

  async function welcome(socket: WebSocket, path: string): Promise<void> {
    const query = new URL(path, "ws://localhost").searchParams;
    const [user, token] = [query.get("user") ?? "", query.get("token") ?? ""];
    // What the client says first may come before the answer of the store.
    const connectionId = await manager.registerConnection(socket, user, token);
    await manager.joinRoom(connectionId, "lobby");
    const take = async (text: string): Promise<void> => {
      const { say } = JSON.parse(text) as FromClient;
      await manager.broadcastToRoom("lobby", { type: "chat", from: user, text: say });
    };
    socket.on("message", (data) => void take(String(data)).catch(() => socket.close(1008, "refused")));
    await manager.sendToConnection(connectionId, { type: "welcome", connectionId } satisfies Welcome);
  }
  // #endregion

  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // Listening on TCP.
  return {
    manager,
    url: `ws://127.0.0.1:${port}`,
    async close() {
      await manager.shutdown(); // Closes the sockets with 4201: come back, to another server.
      server.close();
      await store.close();
    },
  };
}

async function connect(url: string, user: string, token = `${user}'s secret`) {
  const socket = new WebSocket(`${url}/?user=${user}&token=${encodeURIComponent(token)}`);
  const next = async (): Promise<unknown> => JSON.parse(String((await once(socket, "message"))[0]));
  const { connectionId } = (await next()) as Welcome;
  return { socket, connectionId, next };
}

const [one, two] = await Promise.all([startServer("server-1"), startServer("server-2")]);
const ann = await connect(one.url, "ann");
const bob = await connect(two.url, "bob");

let heard = bob.next();
ann.socket.send(JSON.stringify({ say: "hello from the other server" } satisfies FromClient));
console.log("bob heard:", JSON.stringify(await heard));

heard = bob.next();
const outcome = await one.manager.sendToConnection(bob.connectionId, { type: "turn" }, { confirmMs: 1_000 });
console.log(`a direct message was ${outcome}:`, JSON.stringify(await heard));

const { totalConnections, activeServers, localConnections } = await one.manager.getDistributedStats();
console.log(`${totalConnections} connections on ${activeServers} servers, ${localConnections} of them here`);

// Who is gone is told from a moment after a room's first join on: its members are read once.
await sleep(1_000);
heard = bob.next();
ann.socket.close();
const { type, userId } = (await heard) as { readonly type: string; readonly userId: string };
console.log(`bob was told: ${type} ${userId}`);

const stranger = new WebSocket(`${one.url}/?user=eve&token=guess`);
console.log("eve was closed with", (await once(stranger, "close"))[0]);

await Promise.all([one.close(), two.close()]);
