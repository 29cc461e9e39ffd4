import type { Dialect } from "@cm/load";

// Engine.IO packet types 0 (open), 2 (ping), 3 (pong), 4 (message); a 4 is followed by a Socket.IO packet type:
// 0 (connect), 2 (event) or 3 (ack). Types 2 and 3 are followed by an id and JSON.
const OPEN = "0";
const PING = "2";
const PONG = "3";
const CONNECT = "40";
const JOIN_ACK_ID = "1";

/** The parts of Socket.IO protocol 5 on Engine.IO 4 that a room's member needs. */
export const socketIoDialect: Dialect = {
  subprotocol: undefined,
  path: () => "/socket.io/?EIO=4&transport=websocket",
  createSession({ room }, port) {
    const head = `42["publish",${JSON.stringify(room)},"`;
    return {
      // Do nothing on open, because the server sends the first frame.
      opened: () => undefined,
      control(text) {
        if (text === PING) port.send(PONG);
        else if (text.startsWith(`43${JOIN_ACK_ID}[`)) port.joined();
        else if (text.startsWith(CONNECT)) port.send(`42${JOIN_ACK_ID}["join",${JSON.stringify(room)}]`);
        else if (text.startsWith(OPEN)) port.send(CONNECT);
        else port.failed("frame-unknown");
      },
      publish: (payload) => `${head}${payload}"]`,
    };
  },
};
