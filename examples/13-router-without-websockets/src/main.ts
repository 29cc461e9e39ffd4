/*
 * The router on another transport: clients listen over server-sent events, and publish with POST. The router does
 * not need WebSockets.
 */
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createMemoryStore } from "@cm/memory-store";
import { createRouter } from "@cm/router";

const store = createMemoryStore(); // Or a Redis store, for several servers.
await store.start();
const listeners = new Map<string, Set<ServerResponse>>();
const router = createRouter({
  serverId: "server-1",
  bus: store.bus,
  users: store.users,
  local: {
    toRoom(room, frame) {
      for (const response of listeners.get(room) ?? []) response.write(`data: ${Buffer.from(frame).toString()}\n\n`);
    },
    toConnection: () => false,
    toUser: () => 0,
  },
});
await router.start();

const server = createServer(async (request, response) => {
  const room = request.url ?? "/";
  if (request.method === "POST") {
    const [body] = await once(request, "data");
    await router.toRoom(room, body as Buffer); // A body of one chunk; a real server collects all chunks and limits their size.
    response.writeHead(204).end();
    return;
  }
  await router.enter(room);
  listeners.set(room, (listeners.get(room) ?? new Set()).add(response));
  request.on("close", () => {
    listeners.get(room)?.delete(response);
    router.exit(room);
  });
  response.writeHead(200, { "content-type": "text/event-stream" }).write(": you are in\n\n");
}).listen(0, "127.0.0.1");
await once(server, "listening");
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/lobby`; // An object, because the server listens on TCP.

const abort = new AbortController();
const events = await fetch(url, { signal: abort.signal });
const reader = events.body?.pipeThrough(new TextDecoderStream()).getReader();
console.log((await reader?.read())?.value?.trim());
await fetch(url, { method: "POST", body: "hello" });
console.log((await reader?.read())?.value?.trim());

abort.abort();
server.closeAllConnections();
server.close();
await router.close();
await store.close();
