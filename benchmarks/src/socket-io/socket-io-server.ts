/**
 * What many would pick instead: socket.io with its classic Redis adapter, set up as
 * its documentation shows, with the WebSocket transport alone.
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

// Answered behind the adapter's own subscriptions, which went out on the same connection.
await subscriber.subscribe("benchmark-ready");
http.listen(Number(process.env.PORT), "127.0.0.1");
process.once("SIGTERM", () => process.exit(0));
