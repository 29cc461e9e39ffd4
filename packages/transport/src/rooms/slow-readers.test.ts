import { encodeUtf8 } from "@cm/protocol";
import { expect, it, onTestFinished } from "vitest";
import { MembersBehind, type SlowReader } from "./members-behind.js";
import type { SlowReaderPolicy } from "./slow-reader-options.js";

const MEMBERS = 200;
const MESSAGES = 1_000;
const MAX_BYTES = 64 * 1024;
const FRAME = encodeUtf8("x".repeat(90));

/** Number of bytes that count for one frame: its payload, and 10 bytes for its header. */
const FRAME_BYTES = FRAME.byteLength + 10;

/**
 * Sends messages to a room with 200 members, of which the first `behind` do not read. Returns how often queued bytes
 * were read and keys were asked for.
 */
function costOf(policy: SlowReaderPolicy, behind: number) {
  const counts = { checks: 0, keys: 0, errors: 0 };
  const members = new MembersBehind({
    policyOf: () => policy,
    maxBytes: MAX_BYTES,
    keyOf: () => {
      counts.keys++;
      return "";
    },
    isSending: () => false,
    onError: () => void counts.errors++,
  });
  onTestFinished(() => members.stop());
  for (let number = 0; number < MEMBERS; number++) {
    const member: SlowReader = {
      id: `gw.${number}`,
      open: true,
      get bufferedBytes() {
        counts.checks++;
        return number < behind ? MAX_BYTES * 2 : 0;
      },
      send: () => true,
      flush: () => undefined,
      enterRoom: () => undefined,
      leaveRoom: () => undefined,
    };
    members.enter(member, "room");
  }
  for (let sent = 0; sent < MESSAGES; sent++) members.sending("room", FRAME, []);
  expect([members.membersBehind, counts.errors]).toEqual([policy === "close" ? 0 : behind, 0]);
  return counts;
}

/** Number of times that all members are checked while the messages are sent: once per half of `maxBytes` sent. */
const ROUNDS = Math.floor((MESSAGES * FRAME_BYTES) / (MAX_BYTES / 2));

it.each(["drop", "latest"] as const)(
  "a %s room checks its members once per half of maxBytes, not per message",
  (policy) => {
    const { checks, keys } = costOf(policy, 0);
    expect(ROUNDS).toBeGreaterThan(1);
    expect(checks).toBeLessThanOrEqual(ROUNDS * MEMBERS);
    expect(keys).toBe(0);
  },
);

it("a latest room asks for the key of a message once, however many members are behind", () => {
  const [one, many] = [costOf("latest", 1), costOf("latest", MEMBERS)];
  expect(one.keys).toBeGreaterThan(0);
  expect(many.keys).toBe(one.keys);
  expect(many.keys).toBeLessThanOrEqual(MESSAGES);
});

it("neither a close room nor a drop room asks for keys, and a close room is never looked at", () => {
  expect(costOf("close", MEMBERS)).toEqual({ checks: 0, keys: 0, errors: 0 });
  expect(costOf("drop", MEMBERS).keys).toBe(0);
});
