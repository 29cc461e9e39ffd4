import { describe, expect, it } from "vitest";
import { encodeServerFrame, type ServerFrame } from "./server-frame-encoder.js";

describe("server frames", () => {
  it.each<ServerFrame>([
    { type: "ack", ref: 0 },
    { type: "ack", ref: "r", outcome: "sent" },
    { type: "error", code: "rate-limited", message: "slower", retryable: true },
    {
      type: "message",
      room: 'a "quoted" room\n',
      from: { connection: "alpha.aaaa01", user: "é" },
      data: { a: [null] },
    },
    { type: "direct", data: "" },
    { type: "members", room: "r", members: [{ connection: "c", user: "u", server: "s" }], total: 1, cursor: "c" },
    { type: "gap", room: "r", missed: 3 },
    { type: "gap", room: "r", missed: 3, reason: "conflated" },
    { type: "message", room: "r", key: "car-17", data: 1 },
    { type: "pong" },
  ])("are JSON text with exactly their fields: $type", (frame) => {
    expect(JSON.parse(encodeServerFrame(frame))).toEqual(frame);
  });
});
