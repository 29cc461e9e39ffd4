/**
 * A common alternative: socket.io with its Redis adapter, configured as in its documentation, with only the
 * WebSocket transport. `ADAPTER` chooses the adapter: `classic` (the default), `sharded` or `streams`.
 */
import { createServer } from "node:http";
import { createAdapter, createShardedAdapter } from "@socket.io/redis-adapter";
import { createAdapter as createStreamsAdapter } from "@socket.io/redis-streams-adapter";
import { Redis } from "ioredis";
import { Server, type ServerOptions } from "socket.io";
import { serveRooms } from "./socket-io-rooms.js";

const publisher = new Redis(process.env.REDIS_URL ?? "");
const subscriber = publisher.duplicate();
const http = createServer();
serveRooms(new Server(http, { transports: ["websocket"], adapter: chosenAdapter() }));

// Wait until the adapter has subscribed: the adapters for channels use the same connection, so the response to
// this subscription comes after the responses to the adapter's subscriptions.
await subscriber.subscribe("benchmark-ready");
http.listen(Number(process.env.PORT), "127.0.0.1");
process.once("SIGTERM", () => process.exit(0));

function chosenAdapter(): NonNullable<ServerOptions["adapter"]> {
  if (process.env.ADAPTER === "sharded") return createShardedAdapter(publisher, subscriber);
  if (process.env.ADAPTER === "streams") return createStreamsAdapter(publisher);
  return createAdapter(publisher, subscriber);
}
