/*
 * Presence in a Fastify application: WebSockets and HTTP share its port, a connected user is
 * online, and any server of the cluster answers who is.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createNode, type Node } from "@cm/node";
import { isCmError } from "@cm/protocol";
import { createWsServer } from "@cm/server-ws";
import Fastify, { type FastifyError } from "fastify";
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
  onExpelled: () => process.exit(1), // Another process took this one's id; a process manager restarts this process.
});

/** Responds with 400 to invalid requests, 503 to transient errors. Other errors are logged and sent without details. */
app.setErrorHandler<FastifyError>((error, request, reply) => {
  const { code, message } = error;
  if (["options-invalid", "name-invalid", "name-too-long"].includes(code))
    return reply.code(400).send({ code, message });
  if ((error.statusCode ?? 500) < 500) return reply.send(error); // An error of Fastify itself.
  console.error(`${request.method} ${request.routeOptions.url} failed:`, error);
  if (isCmError(error)) return reply.code(error.retryable ? 503 : 500).send({ code });
  return reply.code(500).send({ code: "internal" });
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

let heard: () => void = () => undefined;
const gone = new Promise<void>((resolve) => {
  heard = resolve;
});
await node.presence.watchUser("ann", {
  snapshot: () => undefined,
  change: ({ kind }) => kind === "offline" && heard(),
});
ann.close();
await gone;
console.log(`afterwards: ${await ask("/presence/ann")}`);
console.log(`a wrong cursor: ${await ask("/online?cursor=x")}`);

await node.close();
await app.close();
