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
  ...(process.env.REDIS_URL === undefined ? {} : { redisUrl: process.env.REDIS_URL }),
  prefix: process.env.REDIS_PREFIX ?? "cm-examples",
  local: sockets,
  offlineGraceMs: 0,
  parts: [{ start: async () => void (await sockets.start()), close: () => sockets.close() }],
});

app.get<{ Params: { user: string } }>("/presence/:user", async ({ params }) => {
  const { userId, status } = await node.presence.get(params.user);
  return { userId, status };
});

await node.start();
await app.listen({ port: 0, host: "127.0.0.1" });
const { port } = app.server.address() as AddressInfo; // Listening on TCP.

const ask = async (user: string): Promise<string> => (await fetch(`http://127.0.0.1:${port}/presence/${user}`)).text();

console.log(`before: ${await ask("ann")}`);
const ann = new WebSocket(`ws://127.0.0.1:${port}/ws?user=ann`, "presence.v1");
await once(ann, "message");
console.log(`while connected: ${await ask("ann")}`);

const gone = new Promise<void>((resolve) => {
  const told = {
    snapshot: () => undefined,
    change: (change: { kind: string }) => change.kind === "offline" && resolve(),
  };
  void node.presence.watchUser("ann", told).then(() => ann.close());
});
await gone;
console.log(`afterwards: ${await ask("ann")}`);

await node.close();
await app.close();
