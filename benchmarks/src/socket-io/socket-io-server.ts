/**
 * A common alternative: socket.io with its classic Redis adapter, configured as in its documentation, with
 * only the WebSocket transport.
 */
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import { Redis } from "ioredis";
import { Server } from "socket.io";
import { serveRooms } from "./socket-io-rooms.js";

const publisher = new Redis(process.env.REDIS_URL ?? "");
const subscriber = publisher.duplicate();
const http = createServer();
serveRooms(new Server(http, { transports: ["websocket"], adapter: createAdapter(publisher, subscriber) }));

// Wait until the adapter has subscribed: the adapter uses the same connection, so the response to this
// subscription comes after the responses to the adapter's subscriptions.
await subscriber.subscribe("benchmark-ready");
http.listen(Number(process.env.PORT), "127.0.0.1");
process.once("SIGTERM", () => process.exit(0));
