/**
 * The reference server: what a developer would write by hand with uWebSockets.js and ioredis if only fan-out over
 * servers mattered. It uses one channel per room and passes on bytes as received. It has no identity, registry,
 * limits, order across failures, or cleanup.
 *
 * Frames: `+room` joins a room, and the server responds with the same frame when it has subscribed to the channel.
 * `=room` followed by a line feed and a payload publishes the payload, and the members receive the frame
 * unchanged.
 *
 * With `WINDOW_MS`, messages from Redis wait for the next tick of a timer, so that a member gets those of a window
 * in one write: uWebSockets.js combines what is published within one turn of the event loop.
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

const windowMs = Number(process.env.WINDOW_MS ?? 0);
let waiting: [Buffer, Buffer][] = [];

subscriber.on("messageBuffer", (channel: Buffer, message: Buffer) => {
  if (windowMs > 0) waiting.push([channel, message]);
  else app.publish(channel, message, false);
});
if (windowMs > 0) {
  setInterval(() => {
    for (const [channel, message] of waiting) app.publish(channel, message, false);
    waiting = [];
  }, windowMs);
}

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
