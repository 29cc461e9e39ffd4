import { encodeUtf8 } from "@cm/protocol";
import { expect, it, onTestFinished } from "vitest";
import { LaggingMembers, type RoomMember } from "./lagging-members.js";
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
  const counts = { looks: 0, keys: 0, errors: 0 };
  const lagging = new LaggingMembers({
    policyOf: () => policy,
    maxBytes: MAX_BYTES,
    keyOf: () => {
      counts.keys++;
      return "";
    },
    isSending: () => false,
    onError: () => void counts.errors++,
  });
  onTestFinished(() => lagging.stop());
  for (let number = 0; number < MEMBERS; number++) {
    const member: RoomMember = {
      id: `gw.${number}`,
      open: true,
      get bufferedBytes() {
        counts.looks++;
        return number < behind ? MAX_BYTES * 2 : 0;
      },
      send: () => true,
      flush: () => undefined,
      enterRoom: () => undefined,
      leaveRoom: () => undefined,
    };
    lagging.enter(member, "room");
  }
  for (let sent = 0; sent < MESSAGES; sent++) lagging.sending("room", FRAME, []);
  expect([lagging.membersBehind, counts.errors]).toEqual([policy === "close" ? 0 : behind, 0]);
  return counts;
}

/** Number of times that all members are checked while the messages are sent: once per half of `maxBytes` sent. */
const ROUNDS = Math.floor((MESSAGES * FRAME_BYTES) / (MAX_BYTES / 2));

it.each(["drop", "latest"] as const)(
  "a %s room looks at its members once per half of maxBytes, not per message",
  (policy) => {
    const { looks, keys } = costOf(policy, 0);
    expect(ROUNDS).toBeGreaterThan(1);
    expect(looks).toBeLessThanOrEqual(ROUNDS * MEMBERS);
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
  expect(costOf("close", MEMBERS)).toEqual({ looks: 0, keys: 0, errors: 0 });
  expect(costOf("drop", MEMBERS).keys).toBe(0);
});
