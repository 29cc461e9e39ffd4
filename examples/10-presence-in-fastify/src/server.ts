/*
 * One of any number of processes: a Fastify application with WebSockets on its port. Connected users are online,
 * and every process can answer who is online.
 */
import type { AddressInfo } from "node:net";
import { createNode, type Node } from "@cm/node";
import { isCmError } from "@cm/protocol";
import { createWsServer } from "@cm/server-ws";
import Fastify, { type FastifyError } from "fastify";

const app = Fastify();
const sockets = createWsServer<undefined>({
  server: app.server,
  subprotocols: ["presence.v1"],
  // Put your login here. If this function throws, the client is refused.
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
  redisUrl: process.env.REDIS_URL, // If it is not set, this process works alone, in memory.
  prefix: process.env.REDIS_PREFIX, // The same in all processes; `cm` by default.
  local: sockets,
  offlineGraceMs: Number(process.env.OFFLINE_GRACE_MS ?? 5_000), // A user who reloads the page within this time stays online.
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
  return { users: items.map(({ userId }) => userId), next: cursor }; // Pass `next` as `?cursor=` to get the next page.
});

await node.start();
await app.listen({ port: Number(process.env.PORT ?? 3001), host: "127.0.0.1" });
console.log(`listening on ${(app.server.address() as AddressInfo).port}`); // An object, because the server listens on TCP.

process.once("SIGTERM", async () => {
  await node.drain({ overMs: 1_000 }); // Asks the clients to reconnect, in waves within this time.
  await node.close();
  await app.close();
});
