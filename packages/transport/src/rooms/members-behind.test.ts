import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MembersBehind, type SlowReader } from "./members-behind.js";
import type { SlowReaderPolicy } from "./slow-reader-options.js";

const MAX_BYTES = 2_000;
/** A frame of more than half of `MAX_BYTES`: sending it makes all members be checked. */
const LARGE = Buffer.alloc(MAX_BYTES, "x");

/** A member whose number of queued bytes the test sets. */
class Member implements SlowReader {
  readonly id: string;
  open = true;
  bufferedBytes = 0;
  /** The rooms whose messages the member gets. */
  readonly fanOut = new Set<string>();
  readonly frames: unknown[] = [];

  constructor(id: string) {
    this.id = id;
  }

  send(frame: string | Uint8Array): boolean {
    this.frames.push(typeof frame === "string" ? JSON.parse(frame) : Buffer.from(frame).toString());
    return true;
  }

  flush(): void {}

  enterRoom(room: string): void {
    this.fanOut.add(room);
  }

  leaveRoom(room: string): void {
    this.fanOut.delete(room);
  }
}

const POLICIES: Readonly<Record<string, SlowReaderPolicy>> = { chat: "drop", map: "latest", other: "drop" };

function membersBehind(): MembersBehind {
  return new MembersBehind({
    policyOf: (room) => POLICIES[room] ?? "close",
    maxBytes: MAX_BYTES,
    keyOf: (frame) => Buffer.from(frame).toString("latin1", 0, 1),
    isSending: () => false,
    onError: (error) => expect.unreachable(error.message),
  });
}

describe("members that do not read", () => {
  let members: MembersBehind;
  let slow: Member;
  let quick: Member;

  const sendTo = (room: string, ...texts: readonly string[]): void => {
    for (const text of texts) members.sending(room, Buffer.from(text), []);
  };

  /** Lets the slow member fall behind in its rooms. */
  const fallBehind = (): void => {
    slow.bufferedBytes = MAX_BYTES + 1;
    members.sending("other", LARGE, []);
  };

  const catchUp = async (): Promise<void> => {
    slow.bufferedBytes = MAX_BYTES / 2;
    await vi.advanceTimersByTimeAsync(30);
  };

  beforeEach(() => {
    vi.useFakeTimers();
    members = membersBehind();
    [slow, quick] = [new Member("slow"), new Member("quick")];
    for (const member of [slow, quick]) members.enter(member, "chat");
    members.enter(quick, "other");
  });

  afterEach(() => {
    members.stop();
    vi.useRealTimers();
  });

  it("leave the fan-out, and come back behind a gap with the number of messages", async () => {
    fallBehind();
    expect([slow.fanOut.has("chat"), quick.fanOut.has("chat")]).toEqual([false, true]);
    sendTo("chat", "1", "2", "3");
    await catchUp();
    expect(slow.frames).toEqual([{ type: "gap", room: "chat", missed: 3, reason: "slow-reader" }]);
    expect(slow.fanOut.has("chat")).toBe(true);
    expect(members.skipped()).toEqual({ drop: 3, latest: 0 });
    expect(members.membersBehind).toBe(0);
  });

  it("are counted while they are behind, with their messages so far", () => {
    expect([members.membersBehind, members.behindIn("chat")]).toEqual([0, 0]);
    fallBehind();
    sendTo("chat", "1", "2");
    expect([members.membersBehind, members.behindIn("chat"), members.behindIn("other")]).toEqual([1, 1, 0]);
    expect(members.skipped()).toEqual({ drop: 2, latest: 0 });
    expect(members.roomsWithoutOthers((room) => (room === "chat" ? 0 : 1))).toBe(1);
    expect(members.roomsWithoutOthers(() => 1)).toBe(0);
  });

  it("stay out until at most half of the bytes wait", async () => {
    fallBehind();
    slow.bufferedBytes = MAX_BYTES / 2 + 1;
    await vi.advanceTimersByTimeAsync(200);
    expect(slow.fanOut.has("chat")).toBe(false);
    await catchUp();
    expect(slow.fanOut.has("chat")).toBe(true);
  });

  it("come back without a gap where nothing was sent", async () => {
    fallBehind();
    await catchUp();
    expect(slow.frames).toEqual([]);
  });

  it("get the latest message of each key in a `latest` room", async () => {
    members.enter(slow, "map");
    fallBehind();
    sendTo("map", "a1", "b1", "a2");
    expect(members.skipped()).toEqual({ drop: 0, latest: 1 });
    await catchUp();
    expect(slow.frames).toEqual([{ type: "gap", room: "map", missed: 1, reason: "conflated" }, "b1", "a2"]);
    expect(members.skipped()).toEqual({ drop: 0, latest: 1 });
  });

  it("miss nothing that was not meant for them", async () => {
    fallBehind();
    members.sending("chat", Buffer.from("1"), ["slow", "slow"]);
    sendTo("chat", "2");
    await catchUp();
    expect(slow.frames).toMatchObject([{ missed: 1 }]);
  });

  it("are notified at most once a second", async () => {
    fallBehind();
    sendTo("chat", "1");
    await catchUp();
    fallBehind();
    sendTo("chat", "2");
    slow.bufferedBytes = 0;
    await vi.advanceTimersByTimeAsync(900);
    expect(slow.frames).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(200);
    expect(slow.frames).toHaveLength(2);
  });

  it("are notified of the missed messages when they leave, and no longer count", () => {
    fallBehind();
    sendTo("chat", "1", "2");
    members.leave(slow, "chat");
    expect(slow.frames).toMatchObject([{ type: "gap", room: "chat", missed: 2 }]);
    expect([members.membersBehind, members.skipped().drop]).toEqual([0, 2]);
  });

  it("are forgotten when their connection closes", async () => {
    fallBehind();
    sendTo("chat", "1");
    members.closed(slow);
    expect([members.membersBehind, members.behindIn("chat"), members.skipped().drop]).toEqual([0, 0, 1]);
    await catchUp();
    expect(slow.frames).toEqual([]);
  });

  it("learn of messages that were lost on the way to this server, without a reason", async () => {
    fallBehind();
    sendTo("chat", "1");
    members.lost("chat", 4);
    await catchUp();
    expect(slow.frames).toEqual([{ type: "gap", room: "chat", missed: 5 }]);
  });

  it("do not fall behind while they read", () => {
    slow.bufferedBytes = MAX_BYTES;
    members.sending("other", LARGE, []);
    expect(slow.fanOut.has("chat")).toBe(true);
  });
});
