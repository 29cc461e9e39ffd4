/** socket.io with its classic Redis adapter on uWebSockets.js, configured as in its documentation. */

import uws from "uWebSockets.js";
import { createAdapter } from "@socket.io/redis-adapter";
import { Redis } from "ioredis";
import { Server } from "socket.io";
import { serveRooms } from "./socket-io-rooms.js";

const publisher = new Redis(process.env.REDIS_URL ?? "");
const subscriber = publisher.duplicate();
const app = uws.App();
const io = new Server({ transports: ["websocket"], adapter: createAdapter(publisher, subscriber) });
io.attachApp(app);
serveRooms(io);

// Wait until the adapter has subscribed: the adapter uses the same connection, so the response to this
// subscription comes after the responses to the adapter's subscriptions.
await subscriber.subscribe("benchmark-ready");
app.listen("127.0.0.1", Number(process.env.PORT), (listening) => {
  if (listening === false) process.exit(1);
});
process.once("SIGTERM", () => process.exit(0));
