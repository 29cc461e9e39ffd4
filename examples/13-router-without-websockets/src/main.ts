/*
 * The router on another transport: clients listen over server-sent events, and publish with POST. The router does
 * not need WebSockets.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { createMemoryStore } from "@cm/memory-store";
import { isCmError } from "@cm/protocol";
import { createRouter } from "@cm/router";

const store = createMemoryStore(); // Or a Redis store, for several servers.
await store.start();
const listeners = new Map<string, Set<ServerResponse>>();
const router = createRouter({
  serverId: "server-1",
  store,
  local: {
    toRoom(room, frame) {
      for (const response of listeners.get(room) ?? []) response.write(`data: ${Buffer.from(frame).toString()}\n\n`);
    },
    toConnection: () => false,
    toUser: () => 0,
  },
});
await router.start();

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const room = request.url ?? "/";
  if (request.method === "POST") {
    await router.toRoom(room, await buffer(request)); // A real server limits the size of the body.
    response.writeHead(204).end();
    return;
  }
  await router.enter(room);
  // The client may have left meanwhile. Each `enter` needs one `exit`; otherwise the process never unsubscribes.
  if (response.closed) return router.exit(room);
  const members = listeners.get(room) ?? new Set();
  listeners.set(room, members.add(response));
  response.on("close", () => {
    members.delete(response);
    if (members.size === 0) listeners.delete(room);
    router.exit(room);
  });
  response.writeHead(200, { "content-type": "text/event-stream" }).write(": you are in\n\n");
}

const server = createServer((request, response) => {
  serve(request, response).catch((error: unknown) => {
    response.writeHead(isCmError(error) && !error.retryable ? 400 : 503).end();
  });
}).listen(0, "127.0.0.1");
await once(server, "listening");
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/lobby`; // An object, because the server listens on TCP.

const abort = new AbortController();
const events = await fetch(url, { signal: abort.signal });
const reader = events.body?.pipeThrough(new TextDecoderStream()).getReader();
console.log((await reader?.read())?.value?.trim());
await fetch(url, { method: "POST", body: "hello" });
console.log((await reader?.read())?.value?.trim());
const refused = await fetch(`${url}/${"x".repeat(1_000)}`, { method: "POST", body: "hello" });
console.log(`a room with a long name: ${refused.status}`);

abort.abort();
server.closeAllConnections();
server.close();
await router.close();
await store.close();
