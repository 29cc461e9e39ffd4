/*
 * Rooms, direct messages and departures across two servers of the `ws` package. Each server registers its sockets
 * with a connection manager, which does the rest.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { createDistributedConnectionManager } from "@cm/connection-manager";
import { createLocalConnectionManager } from "@cm/server-ws";
import WebSocket, { WebSocketServer } from "ws";
import { openStore } from "./store.js";

/** The messages of a client, and the first message to it. */
type FromClient = { readonly say: string };
type Welcome = { readonly type: "welcome"; readonly connectionId: string };

async function startServer(serverId: string) {
  const store = await openStore(); // Or pass `redisUrl` instead of `store` below.
  // #region server
  const manager = await createDistributedConnectionManager(createLocalConnectionManager(), {
    store,
    serverId,
    verifyToken: (token, userId) => token === `${userId}'s secret`, // Ask your auth service here.
    onError: (error, { stage }) => console.error(stage, error),
  });

  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  server.on("connection", (socket, request) => {
    socket.on("error", () => undefined); // For example, a message is too large; `ws` then closes the socket.
    welcome(socket, request.url ?? "/").catch(() => socket.close(1008, "refused"));
  });

  async function welcome(socket: WebSocket, path: string): Promise<void> {
    const query = new URL(path, "ws://localhost").searchParams;
    const [user, token] = [query.get("user") ?? "", query.get("token") ?? ""];
    // Clients must wait for the welcome: before the store has answered, their messages are not received.
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
  const { port } = server.address() as AddressInfo; // An object, because the server listens on TCP.
  return {
    manager,
    url: `ws://127.0.0.1:${port}`,
    async close() {
      await manager.shutdown(); // Closes the sockets with 4201, which asks clients to reconnect to another server.
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

// Departures are announced once the room's members have been read, a moment after its first join.
await sleep(1_000);
heard = bob.next();
ann.socket.close();
const { type, userId } = (await heard) as { readonly type: string; readonly userId: string };
console.log(`bob was told: ${type} ${userId}`);

const stranger = new WebSocket(`${one.url}/?user=eve&token=guess`);
console.log("eve was closed with", (await once(stranger, "close"))[0]);

await Promise.all([one.close(), two.close()]);
