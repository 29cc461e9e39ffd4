import type { SlowReaderOptions, TransportServer } from "@cm/transport";
import { describe, expect, it, vi } from "vitest";
import type { RawClient } from "../raw-client.js";
import { bytes, type CreateTransport, serverStarter, turn, WAIT } from "../transport-harness.js";

const LENGTH = 10_000;

/** Far more messages than the kernel buffers for a client that does not read. */
const FLOOD_MAX = 5_000;

/** The frame that a member gets after it was behind. */
interface Gap {
  readonly type: "gap";
  readonly room: string;
  readonly missed?: number;
  readonly reason?: string;
}

/** A message with a key, a number, and the given length. */
function numbered(number: number, { key = "k", length = LENGTH } = {}): Uint8Array {
  return bytes(`${key}:${number}:`.padEnd(length, "x"));
}

/** The messages received, by key and number, and the gaps between them. */
function streamOf(texts: readonly string[]): (string | Gap)[] {
  return texts.map((text) =>
    text.startsWith("{") ? (JSON.parse(text) as Gap) : text.slice(0, text.indexOf(":", text.indexOf(":") + 1)),
  );
}

function gapsIn(texts: readonly string[]): Gap[] {
  return streamOf(texts).filter((item) => typeof item !== "string");
}

/** The last frame's text: the texts of all frames would be megabytes. */
function lastText({ frames }: RawClient): string {
  return frames.at(-1)?.payload.toString() ?? "";
}

/** Sends numbered messages until a member is behind. Returns the next number. */
async function floodUntilBehind(server: TransportServer<string>, room: string, from = 0): Promise<number> {
  let number = from;
  while (server.stats().membersBehind === 0) {
    server.toRoom(room, numbered(number++), []);
    expect(number - from).toBeLessThan(FLOOD_MAX);
    await turn();
  }
  return number;
}

async function untilCaughtUp(server: TransportServer<string>): Promise<void> {
  await vi.waitFor(() => expect(server.stats().membersBehind).toBe(0), WAIT);
}

const DROP: SlowReaderOptions = { policyOf: (room) => (room.startsWith("drop") ? "drop" : "close") };
const LATEST: SlowReaderOptions = {
  policyOf: () => "latest",
  keyOf: (frame) => Buffer.from(frame.subarray(0, 8)).toString().split(":")[0] ?? "",
};

export function describeSlowReaderPolicies(createTransport: CreateTransport): void {
  const startServer = serverStarter(createTransport);

  describe("a room that drops messages for a member that does not read", () => {
    it("notifies it in one gap how many messages it missed, continues with the next ones, and does not affect other members", async () => {
      const { server, joinRaw, join, closed } = await startServer({ slowReaders: DROP });
      const { raw, connection } = await joinRaw();
      const reader = await join();
      for (const { connection: member } of [{ connection }, reader]) member.enter("drop");
      reader.connection.enter("other");
      raw.socket.pause();
      const behindAt = await floodUntilBehind(server, "drop");
      for (let more = 0; more < 50; more++) server.toRoom("drop", numbered(behindAt + more), []);
      for (let own = 0; own < 5; own++) server.toRoom("drop", numbered(behindAt + 50), [connection.id, connection.id]);
      server.toRoom("other", bytes("in:another room:"), []);
      expect(server.stats()).toMatchObject({ membersBehind: 1, memberships: 3, topics: 2, connections: 2 });
      expect(server.membersOf("drop")).toBe(2);
      raw.socket.resume();
      await untilCaughtUp(server);
      server.toRoom("drop", bytes("k:end:"), []);
      await vi.waitFor(() => expect(lastText(raw)).toBe("k:end:"), WAIT);
      const stream = streamOf(raw.texts);
      const received = stream.length - 2;
      const missed = behindAt + 50 - received;
      expect(stream).toEqual([
        ...Array.from({ length: received }, (_, index) => `k:${index}`),
        { type: "gap", room: "drop", missed, reason: "slow-reader" },
        "k:end",
      ]);
      // Messages sent before the reader was detected as slow were already written to its socket, so only
      // later ones are missing.
      expect(missed).toBeGreaterThanOrEqual(50);
      expect(missed).toBeLessThanOrEqual(51);
      expect(server.stats()).toMatchObject({ messagesLeftOut: { drop: missed, latest: 0 }, slowConsumersClosed: 0 });
      await vi.waitFor(() => expect(reader.texts.at(-1)).toBe("k:end:"), WAIT);
      expect(reader.texts).toHaveLength(behindAt + 50 + 5 + 2);
      expect(gapsIn(reader.texts)).toEqual([]);
      expect(closed).toEqual([]);
    });

    it("lets each member account for every message, whatever the windows, the lanes and their rhythm", async () => {
      const { server, joinRaw, join } = await startServer({
        slowReaders: DROP,
        maxMembersPerTurn: 10,
        roomWindowMs: 3,
      });
      // These members take nine of the ten places in the first lane. They get no messages.
      const except: string[] = [];
      for (let index = 0; index < 9; index++) {
        const { connection } = await join();
        connection.enter("drop");
        except.push(connection.id);
      }
      const clients = [await joinRaw(), await joinRaw(), await joinRaw()];
      for (const { connection } of clients) connection.enter("drop");
      let count = 0;
      for (let round = 0; round < 150; round++) {
        for (const [index, { raw }] of clients.entries()) {
          if (round === 10 * index) raw.socket.pause();
          if (round === 100 + 10 * index) raw.socket.resume();
        }
        for (let burst = 0; burst < 12; burst++) server.toRoom("drop", numbered(count++), except);
        await turn();
      }
      expect(server.stats().messagesLeftOut.drop).toBeGreaterThan(0);
      for (const { raw } of clients) raw.socket.resume();
      await untilCaughtUp(server);
      server.toRoom("drop", numbered(count++), except);
      for (const { raw } of clients) {
        await vi.waitFor(() => expect(lastText(raw)).toMatch(`k:${count - 1}:`), WAIT);
        let next = 0;
        const wrong = streamOf(raw.texts).filter((item) => {
          if (typeof item === "string") return item !== `k:${next++}`;
          next += item.missed ?? Number.NaN;
          return false;
        });
        expect([wrong, next]).toEqual([[], count]);
      }
      const told = clients.flatMap(({ raw }) => gapsIn(raw.texts).map(({ missed = 0 }) => missed));
      expect(told.length).toBeGreaterThan(0);
      expect(server.stats()).toMatchObject({
        messagesLeftOut: { drop: told.reduce((sum, missed) => sum + missed, 0) },
        slowConsumersClosed: 0,
        memberships: 12,
      });
    });

    it("closes no member, however much of a burst is held back for a room with several lanes", async () => {
      const { server, joinRaw, join } = await startServer({ slowReaders: DROP, maxMembersPerTurn: 10 });
      const { raw, connection } = await joinRaw();
      connection.enter("drop");
      // These members fill the first lane and begin the second one. They get no messages.
      const except: string[] = [];
      for (let index = 0; index < 10; index++) {
        const { connection: other } = await join();
        other.enter("drop");
        except.push(other.id);
      }
      raw.socket.pause();
      let direct = 0;
      for (; connection.bufferedBytes < 150_000; direct++) {
        expect(direct).toBeLessThan(FLOOD_MAX);
        connection.send(bytes(`d:${direct}:`.padEnd(LENGTH, "x")));
        await turn();
      }
      let number = 0;
      for (let burst = 0; burst < 5; burst++) {
        for (let more = 0; more < 95; more++) server.toRoom("drop", numbered(number++), except);
        for (let turns = 0; turns < 10; turns++) await turn();
      }
      expect(server.stats()).toMatchObject({ membersBehind: 1, slowConsumersClosed: 0 });
      raw.socket.resume();
      await untilCaughtUp(server);
      await vi.waitFor(() => expect(lastText(raw)).toContain('"gap"'), WAIT);
      expect(gapsIn(raw.texts)).toMatchObject([{ missed: number - (raw.texts.length - direct - 1) }]);
    });

    it("notifies a member that falls behind again within a second only after that second", async () => {
      const { server, joinRaw } = await startServer({ slowReaders: DROP });
      const { raw, connection } = await joinRaw();
      connection.enter("drop");
      let number = 0;
      let resumedAt: number | undefined;
      for (let time = 0; time < 2; time++) {
        raw.socket.pause();
        number = await floodUntilBehind(server, "drop", number);
        resumedAt ??= performance.now();
        raw.socket.resume();
        await untilCaughtUp(server);
      }
      expect(performance.now() - (resumedAt ?? 0)).toBeGreaterThan(1_000);
      await vi.waitFor(() => expect(lastText(raw)).toContain('"gap"'), WAIT);
      expect(gapsIn(raw.texts)).toHaveLength(2);
    });

    it("notifies a member that leaves while it is behind, and forgets one that is closed", async () => {
      const { server, joinRaw } = await startServer({ slowReaders: DROP });
      const [leaves, goes] = [await joinRaw(), await joinRaw()];
      for (const { connection, raw } of [leaves, goes]) {
        connection.enter("drop");
        raw.socket.pause();
      }
      let number = await floodUntilBehind(server, "drop");
      while (server.stats().membersBehind < 2) {
        server.toRoom("drop", numbered(number++), []);
        await turn();
      }
      // All members are behind, but the room still exists.
      expect(server.stats()).toMatchObject({ topics: 1, memberships: 2 });
      for (let more = 0; more < 3; more++) server.toRoom("drop", numbered(number++), []);
      leaves.connection.leave("drop");
      goes.connection.close("terminated");
      server.toRoom("drop", numbered(number++), []);
      expect(server.stats()).toMatchObject({ membersBehind: 0, topics: 0, memberships: 0, connections: 1 });
      leaves.raw.socket.resume();
      await vi.waitFor(() => expect(lastText(leaves.raw)).toContain('"gap"'), WAIT);
      const stream = streamOf(leaves.raw.texts);
      expect(stream.at(-1)).toMatchObject({ missed: number - 1 - (stream.length - 1), reason: "slow-reader" });
      leaves.connection.enter("drop");
      server.toRoom("drop", bytes("k:again:"), []);
      await vi.waitFor(() => expect(lastText(leaves.raw)).toBe("k:again:"), WAIT);
    });

    it("adds what was lost before this server, and names no reason then", async () => {
      const { server, joinRaw, join } = await startServer({ slowReaders: DROP });
      const { raw, connection } = await joinRaw();
      const reader = await join();
      for (const member of [connection, reader.connection]) for (const room of ["drop", "drop2"]) member.enter(room);
      raw.socket.pause();
      const number = await floodUntilBehind(server, "drop");
      server.notifyGap("drop", 3);
      server.notifyGap("drop", 4);
      server.notifyGap("drop2", undefined);
      server.toRoom("drop2", bytes("k:0:"), []);
      raw.socket.resume();
      await untilCaughtUp(server);
      await vi.waitFor(() => expect(lastText(raw)).toContain('"room":"drop2"'), WAIT);
      const received = raw.texts.length - 2;
      expect(gapsIn(raw.texts)).toEqual([
        { type: "gap", room: "drop", missed: number - received + 7 },
        { type: "gap", room: "drop2" },
      ]);
      await vi.waitFor(() => expect(gapsIn(reader.texts)).toHaveLength(3), WAIT);
      expect(gapsIn(reader.texts)).toEqual([
        { type: "gap", room: "drop", missed: 3 },
        { type: "gap", room: "drop", missed: 4 },
        { type: "gap", room: "drop2" },
      ]);
    });

    it("still closes a member for what other rooms and direct sends leave waiting", async () => {
      const { server, joinRaw, closed } = await startServer({ slowReaders: DROP });
      const { raw, connection } = await joinRaw();
      connection.enter("drop");
      raw.socket.pause();
      await floodUntilBehind(server, "drop");
      for (let sent = 0; connection.send("x".repeat(LENGTH)); sent++) expect(sent).toBeLessThan(FLOOD_MAX);
      expect(closed).toMatchObject([{ reason: "slow-consumer" }]);
      expect(server.stats()).toMatchObject({ membersBehind: 0, memberships: 0, slowConsumersClosed: 1 });
    });

    it("reports a policy that is none, and closes for such a room", async () => {
      const { server, joinRaw, errors, closed } = await startServer({
        slowReaders: { policyOf: () => "keep" as "drop" },
        maxBackpressureBytes: 64 * 1024,
      });
      const { raw, connection } = await joinRaw();
      connection.enter("room");
      expect(errors).toMatchObject([{ error: { code: "options-invalid" }, stage: "handler" }]);
      raw.socket.pause();
      for (let number = 0; connection.open; number++) {
        server.toRoom("room", numbered(number), []);
        expect(number).toBeLessThan(FLOOD_MAX);
        if (number % 10 === 0) await turn();
      }
      expect(closed).toMatchObject([{ reason: "slow-consumer" }]);
    });
  });

  describe("a room that keeps the latest messages for a member that does not read", () => {
    it("gives it the latest of each key behind the gap, in their order, and then what follows", async () => {
      const { server, joinRaw } = await startServer({ slowReaders: LATEST });
      const { raw, connection } = await joinRaw();
      connection.enter("room");
      raw.socket.pause();
      const flooded = await floodUntilBehind(server, "room");
      for (let more = 0; more < 30; more++) {
        server.toRoom("room", numbered(more, { key: `p${more % 3}`, length: 100 }), []);
      }
      server.toRoom("room", numbered(99, { key: "p2" }), [connection.id]);
      raw.socket.resume();
      await untilCaughtUp(server);
      server.toRoom("room", bytes("k:end:"), []);
      await vi.waitFor(() => expect(lastText(raw)).toBe("k:end:"), WAIT);
      const stream = streamOf(raw.texts);
      const at = stream.findIndex((item) => typeof item !== "string");
      // Nothing is sent for a key whose latest message excludes this member.
      const kept = ["p0:27", "p1:28"];
      const own = at < flooded ? [`k:${flooded - 1}`] : [];
      const missed = flooded - at + 30 - kept.length - own.length;
      expect(stream.slice(at)).toEqual([
        { type: "gap", room: "room", missed, reason: "conflated" },
        ...own,
        ...kept,
        "k:end",
      ]);
      expect(server.stats().messagesLeftOut).toEqual({ drop: 0, latest: missed });
    });

    it("gives it the one message that it missed without a gap", async () => {
      const { server, joinRaw } = await startServer({ slowReaders: LATEST });
      const { raw, connection } = await joinRaw();
      for (const room of ["flood", "quiet"]) connection.enter(room);
      raw.socket.pause();
      await floodUntilBehind(server, "flood");
      server.toRoom("quiet", bytes("q:1:"), []);
      raw.socket.resume();
      await untilCaughtUp(server);
      await vi.waitFor(() => expect(lastText(raw)).toBe("q:1:"), WAIT);
      expect(gapsIn(raw.texts).filter(({ room }) => room === "quiet")).toEqual([]);
    });

    it("keeps at most its budget, and reports if a key's latest message was dropped", async () => {
      const { server, joinRaw } = await startServer({ slowReaders: { ...LATEST, maxBytes: 64 * 1024 } });
      const { raw, connection } = await joinRaw();
      connection.enter("room");
      raw.socket.pause();
      await floodUntilBehind(server, "room");
      for (let key = 0; key < 100; key++) server.toRoom("room", numbered(key, { key: `p${key}`, length: 1_000 }), []);
      raw.socket.resume();
      await untilCaughtUp(server);
      await vi.waitFor(() => expect(lastText(raw)).toMatch("p99:99:"), WAIT);
      const stream = streamOf(raw.texts);
      const at = stream.findIndex((item) => typeof item !== "string");
      const kept = stream.slice(at + 1);
      expect(stream[at]).toMatchObject({ reason: "slow-reader" });
      expect(kept.length).toBeGreaterThan(10);
      expect(kept.length).toBeLessThanOrEqual(32);
      expect(kept).toEqual(kept.map((_, index) => `p${100 - kept.length + index}:${100 - kept.length + index}`));
    });
  });
}
