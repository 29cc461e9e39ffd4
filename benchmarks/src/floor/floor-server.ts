/**
 * The floor: uWebSockets.js alone, in one process, without a broker. It does what cannot be left out of a
 * delivery: it reads a frame, and writes it to the members of a room. It uses the frames of the handwritten
 * minimum.
 */

import uws from "uWebSockets.js";

const PLUS = 43;
const LINE_FEED = 10;

const app = uws.App();

app.ws<object>("/ws", {
  maxPayloadLength: 128 * 1024,
  maxBackpressure: 1024 * 1024,
  idleTimeout: 120,
  message(socket, message) {
    const bytes = Buffer.from(message);
    if (bytes[0] === PLUS) {
      socket.subscribe(bytes.toString("utf8", 1));
      socket.send(bytes);
    } else {
      app.publish(bytes.toString("utf8", 1, bytes.indexOf(LINE_FEED)), bytes, false);
    }
  },
});

app.listen("127.0.0.1", Number(process.env.PORT), (listening) => {
  if (listening === false) process.exit(1);
});
process.once("SIGTERM", () => process.exit(0));
