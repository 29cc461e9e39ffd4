/**
 * The yardstick: what someone would write by hand with uWebSockets.js and ioredis if
 * fan-out over servers were all that mattered. One channel a room, bytes passed
 * through as received. No identity, registry, limits, order across failures, or
 * clean-up.
 *
 * Frames: `+room` joins and is answered with the same when the channel is live;
 * `=room`, a line feed and a payload publishes, and reaches members as it is.
 */

import uws from "uWebSockets.js";
import { Redis } from "ioredis";

const PLUS = 43;
const LINE_FEED = 10;

const redisUrl = process.env.REDIS_URL ?? "";
const publisher = new Redis(redisUrl);
const subscriber = new Redis(redisUrl);
await Promise.all([publisher.ping(), subscriber.ping()]);

interface Seat {
  open: boolean;
}

const live = new Map<string, Promise<unknown>>();
const app = uws.App();

subscriber.on("messageBuffer", (channel: Buffer, message: Buffer) => {
  app.publish(channel, message, false);
});

app.ws<Seat>("/ws", {
  maxPayloadLength: 128 * 1024,
  maxBackpressure: 1024 * 1024,
  idleTimeout: 120,
  upgrade(response, request, context) {
    response.upgrade(
      { open: true },
      request.getHeader("sec-websocket-key"),
      request.getHeader("sec-websocket-protocol"),
      request.getHeader("sec-websocket-extensions"),
      context,
    );
  },
  message(socket, message) {
    const bytes = Buffer.from(message);
    if (bytes[0] === PLUS) {
      const room = bytes.toString("utf8", 1);
      let subscribed = live.get(room);
      if (subscribed === undefined) {
        subscribed = subscriber.subscribe(room);
        live.set(room, subscribed);
      }
      subscribed.then(
        () => {
          if (!socket.getUserData().open) return;
          socket.subscribe(room);
          socket.send(`+${room}`);
        },
        () => process.exit(1),
      );
    } else {
      const room = bytes.toString("utf8", 1, bytes.indexOf(LINE_FEED));
      publisher.publish(room, bytes).catch(() => process.exit(1));
    }
  },
  close(socket) {
    socket.getUserData().open = false;
  },
});

app.listen("127.0.0.1", Number(process.env.PORT), (listening) => {
  if (listening === false) process.exit(1);
});
process.once("SIGTERM", () => process.exit(0));
