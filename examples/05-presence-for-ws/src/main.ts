/*
 * Presence for your own server on the `ws` package, without gateway and router. The server registers its
 * connections through a membership; `@cm/presence` reads the connections of all servers and reports changes.
 * Clients send `{"status": ...}`, and get a line for each change of the user whom they watch.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createMembership } from "@cm/membership";
import { createPresence, type Presence, type UserPresence } from "@cm/presence";
import { createConnectionIdSource } from "@cm/protocol";
import WebSocket, { WebSocketServer } from "ws";
import { openStore } from "./store.js";

interface PresenceServer {
  readonly url: string;
  readonly presence: Presence;
  close(): Promise<void>;
}

function lineAbout({ userId, status, connections, lastSeen }: UserPresence): string {
  const [said] = connections.map(({ metadata }) => metadata).filter((metadata) => metadata !== undefined);
  const wasHere = lastSeen !== undefined && Date.now() - lastSeen < 60_000 ? ", was here just now" : "";
  return `${userId} is ${status}${said === undefined ? "" : `, ${String(said)}`}${wasHere}`;
}

/** A client that connects with `?user=a&watch=b` is in the lobby as `a` and receives the presence of `b`. */
async function startServer(serverId: string): Promise<PresenceServer> {
  const store = await openStore();
  const membership = createMembership({
    ids: createConnectionIdSource({ serverId }),
    store,
    interest: { enter: async () => undefined, exit: () => undefined },
    // Time until a user without a connection goes offline, in milliseconds. Choose it longer than a page takes to
    // reload.
    offlineGraceMs: 200,
    onError: (error, { stage }) => console.error(stage, error),
  });
  await membership.start();
  const presence = createPresence(store);

  // #region serve
  async function serve(socket: WebSocket, path: string): Promise<void> {
    const query = new URL(path, "ws://localhost").searchParams;
    const connectionId = membership.nextConnectionId();
    socket.on("close", () => void membership.close(connectionId));
    await membership.open({ connectionId, userId: query.get("user") ?? "", metadata: "here" });
    await membership.join(connectionId, "lobby");
    const take = async (text: string): Promise<void> => {
      const { status } = JSON.parse(text) as { status: unknown }; // Not checked, because it is only displayed.
      await membership.update(connectionId, status);
    };
    socket.on("message", (data) => void take(String(data)).catch(() => socket.close(1008)));
    const watched = query.get("watch");
    if (watched !== null) {
      const watch = await presence.watchUser(watched, {
        snapshot: ([now]) => now !== undefined && socket.send(lineAbout(now)),
        change: (_change, now) => socket.send(lineAbout(now)),
      });
      // The client may have left while the watch began.
      if (socket.readyState === WebSocket.OPEN) socket.on("close", () => void watch.close());
      else await watch.close();
    }
    socket.send("you are in");
  }
  // #endregion

  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  server.on("connection", (socket, request) => {
    socket.on("error", () => undefined); // For example, a message is too large; `ws` then closes the socket.
    serve(socket, request.url ?? "/").catch(() => socket.close(1011));
  });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // An object, because the server listens on TCP.
  return {
    url: `ws://127.0.0.1:${port}`,
    presence,
    async close() {
      const gone = [...server.clients].map((client) => once(client, "close"));
      for (const client of server.clients) client.terminate();
      server.close();
      await Promise.all(gone);
      await presence.close();
      await membership.shutdown();
      await store.close();
    },
  };
}

interface Client {
  readonly socket: WebSocket;
  /** Resolves when the line has come. */
  hears(line: string): Promise<void>;
}

async function connect(url: string): Promise<Client> {
  const socket = new WebSocket(url);
  const heard: string[] = [];
  socket.on("message", (data) => heard.push(String(data)));
  const hears = async (line: string): Promise<void> => {
    while (!heard.includes(line)) await once(socket, "message");
  };
  await hears("you are in");
  return { socket, hears };
}

const [one, two] = await Promise.all([startServer("server-1"), startServer("server-2")]);

const bob = await connect(`${two.url}/?user=bob&watch=ann`);
bob.socket.on("message", (data) => console.log(`bob hears: ${String(data)}`));
await bob.hears("ann is offline");
console.log("bob hears: ann is offline");

const ann = await connect(`${one.url}/?user=ann`);
await bob.hears("ann is online, here");
ann.socket.send(JSON.stringify({ status: "writing" }));
await bob.hears("ann is online, writing");

const { items } = await two.presence.roster("lobby", { limit: 100 });
console.log(
  `the room: ${items
    .map(({ userId }) => userId)
    .sort()
    .join(", ")}`,
);

ann.socket.close();
await bob.hears("ann is offline, was here just now");

await Promise.all([one.close(), two.close()]);
