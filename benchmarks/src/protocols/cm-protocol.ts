import { CLIENT_PROTOCOL_VERSION, SUBPROTOCOL } from "@cm/protocol";
import type { Heard, RoomProtocol } from "./room-protocol.js";

/** The client protocol of this project, without references for publishes, so that these get no answer. */
export const cmProtocol: RoomProtocol = {
  subprotocol: SUBPROTOCOL,
  path(url, user) {
    const query = new URLSearchParams(url.search);
    query.set("user", user);
    return `${url.pathname}?${query}`;
  },
  greeting: JSON.stringify({ type: "hello", version: CLIENT_PROTOCOL_VERSION, ref: "hello" }),
  readyWhenOpen: false,
  hear(text): Heard {
    // This type lists the fields that server frames may have; each field is checked before it is used.
    const frame = JSON.parse(text) as { type?: unknown; ref?: unknown; code?: unknown };
    if (frame.type === "welcome") return { kind: "ready" };
    if (frame.type === "ack" && typeof frame.ref === "number") return { kind: "joined" };
    if (frame.type === "error") return { kind: "failed", code: String(frame.code) };
    return { kind: "ignored" };
  },
  join: (room, join) => `{"type":"join","room":${JSON.stringify(room)},"ref":${join}}`,
  publish: (room, payload) => `{"type":"publish","room":${JSON.stringify(room)},"data":"${payload}"}`,
  send: (user, payload) => `{"type":"send","user":${JSON.stringify(user)},"data":"${payload}"}`,
};
