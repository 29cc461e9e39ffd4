/**
 * A common alternative: socket.io with its classic Redis adapter, configured as in its documentation, with
 * only the WebSocket transport.
 */
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import { Redis } from "ioredis";
import { Server } from "socket.io";
import { serveRooms } from "./application.js";

const publisher = new Redis(process.env.REDIS_URL ?? "");
const subscriber = publisher.duplicate();
const http = createServer();
serveRooms(new Server(http, { transports: ["websocket"], adapter: createAdapter(publisher, subscriber) }));

// The response follows those of the adapter's own subscriptions, which were sent on the same connection.
await subscriber.subscribe("benchmark-ready");
http.listen(Number(process.env.PORT), "127.0.0.1");
process.once("SIGTERM", () => process.exit(0));
