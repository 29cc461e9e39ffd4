import type { Heard, RoomProtocol } from "./room-protocol.js";

// Engine.IO packet types: 0 (open), 2 (ping), 3 (pong), 4 (message). A 4 is followed by a Socket.IO packet type: 0
// (connect), 2 (event) or 3 (ack). Events and acks continue with an id, which only events without an ack lack, and
// JSON.
const OPEN = "0";
const PING = "2";
const PONG = "3";
const CONNECT = "40";
const EVENT = "42";
const ACK = /^43\d+\[/;

/** The parts of Socket.IO protocol 5 on Engine.IO 4 that a room's member needs. */
export const socketIoProtocol: RoomProtocol = {
  subprotocol: undefined,
  path: () => "/socket.io/?EIO=4&transport=websocket",
  // Send nothing on open, because the server sends the first frame.
  greeting: undefined,
  readyWhenOpen: false,
  hear(text): Heard {
    if (text === PING) return { kind: "answer", frame: PONG };
    if (ACK.test(text)) return { kind: "joined" };
    if (text.startsWith(CONNECT)) return { kind: "ready" };
    if (text.startsWith(OPEN)) return { kind: "answer", frame: CONNECT };
    if (text.startsWith(EVENT)) return { kind: "ignored" };
    return { kind: "failed", code: "frame-unknown" };
  },
  join: (room, join) => `${EVENT}${join}["join",${JSON.stringify(room)}]`,
  publish: (room, payload) => `${EVENT}["publish",${JSON.stringify(room)},"${payload}"]`,
  send: undefined,
};
