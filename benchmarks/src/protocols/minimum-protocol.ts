import type { Heard, RoomProtocol } from "./room-protocol.js";

/** The frames of the handwritten servers. */
export const minimumProtocol: RoomProtocol = {
  subprotocol: undefined,
  path: (url) => url.pathname,
  greeting: undefined,
  readyWhenOpen: true,
  hear(text): Heard {
    if (text.startsWith("+")) return { kind: "joined" };
    return text.startsWith("=") ? { kind: "ignored" } : { kind: "failed", code: "frame-unknown" };
  },
  join: (room) => `+${room}`,
  publish: (room, payload) => `=${room}\n"${payload}"`,
  send: undefined,
};
