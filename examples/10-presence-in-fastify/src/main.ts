/*
 * Presence in a Fastify application: WebSockets and HTTP share its port, a connected user is
 * online, and any server of the cluster answers who is.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createNode, type Node } from "@cm/node";
import { createWsServer } from "@cm/server-ws";
import Fastify from "fastify";
import WebSocket from "ws";

// #region server
const app = Fastify();
const sockets = createWsServer<undefined>({
  server: app.server,
  subprotocols: ["presence.v1"],
  authenticate: ({ query }) => ({ userId: new URLSearchParams(query).get("user") ?? "guest", data: undefined }),
  nextConnectionId: () => node.membership.nextConnectionId(),
  handler: {
    open(connection) {
      const { id, userId } = connection;
      node.membership.open({ connectionId: id, userId }).then(
        () => connection.send("registered"),
        () => connection.close("unavailable"),
      );
    },
    frame: () => undefined,
    binary: (connection) => connection.close("protocol-error"),
    closed: ({ id }) => void node.membership.close(id).catch(console.error),
  },
  onError: (error, { stage }) => console.error(stage, error),
});
const node: Node = createNode({
  redisUrl: process.env.REDIS_URL,
  prefix: process.env.REDIS_PREFIX,
  local: sockets,
  offlineGraceMs: 0, // For the sake of the example: by default a reload is no change.
  parts: [sockets],
});

app.get<{ Params: { user: string } }>("/presence/:user", async ({ params }) => {
  const { userId, status } = await node.presence.get(params.user);
  return { userId, status };
});
app.get<{ Querystring: { cursor?: string } }>("/online", async ({ query }) => {
  const { items, cursor } = await node.presence.online({ limit: 100, cursor: query.cursor });
  return { users: items.map(({ userId }) => userId), next: cursor }; // `?cursor=` with `next` asks for more.
});

await node.start();
await app.listen({ port: Number(process.env.PORT ?? 0), host: "127.0.0.1" });
// #endregion
const { port } = app.server.address() as AddressInfo; // Listening on TCP.

const ask = async (path: string): Promise<string> => (await fetch(`http://127.0.0.1:${port}${path}`)).text();

console.log(`before: ${await ask("/presence/ann")}`);
const ann = new WebSocket(`ws://127.0.0.1:${port}/ws?user=ann`, "presence.v1");
await once(ann, "message");
console.log(`while connected: ${await ask("/presence/ann")}`);
console.log(`everybody: ${await ask("/online")}`);

const gone = new Promise<void>((resolve) => {
  const told = {
    snapshot: () => undefined,
    change: (change: { kind: string }) => change.kind === "offline" && resolve(),
  };
  void node.presence.watchUser("ann", told).then(() => ann.close());
});
await gone;
console.log(`afterwards: ${await ask("/presence/ann")}`);

await node.close();
await app.close();
