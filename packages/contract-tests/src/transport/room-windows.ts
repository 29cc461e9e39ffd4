import { describe, expect, it, vi } from "vitest";
import { bytes, type CreateTransport, serverStarter, type TestClient, WAIT } from "./transport-harness.js";

/**
 * Length of the window in milliseconds: long enough that, unless a test says otherwise, waiting messages are
 * sent only if the window ends early.
 */
const LONG_MS = 100;

/** Length of a large text, and number of its copies that are written in one turn: 4 MiB, and a lane of ten more. */
const LARGE_BYTES = 64_000;
const TURN_FRAMES = (4 * 1024 * 1024) / LARGE_BYTES + 10;

/** Sends `count` texts, `0`, `1` and so on, each in its own turn of the event loop. Resolves with the texts. */
async function sendApart(toRoom: (text: string) => void, count: number): Promise<string[]> {
  const texts: string[] = [];
  for (let index = 0; index < count; index += 1) {
    texts.push(String(index));
    toRoom(String(index));
    await new Promise((resolve) => setImmediate(resolve));
  }
  return texts;
}

export function describeRoomWindows(createTransport: CreateTransport): void {
  const startServer = serverStarter(createTransport);

  describe("a window for the messages of a room", () => {
    it("sends the first message after a pause at once, and those that follow together and in order", async () => {
      const { server, join } = await startServer({ roomWindowMs: LONG_MS });
      const members = [await join(), await join(), await join()];
      for (const { connection } of members) connection.enter("room");
      server.toRoom("room", bytes("first"), []);
      await new Promise((resolve) => setImmediate(resolve));
      expect(server.stats().traffic.writes).toBe(3);
      const began = performance.now();
      const texts = await sendApart((text) => server.toRoom("room", bytes(text), []), 20);
      // There is more than one window only if the machine is slow.
      const windows = Math.ceil((performance.now() - began) / LONG_MS);
      for (const { texts: got } of members) await vi.waitFor(() => expect(got).toEqual(["first", ...texts]), WAIT);
      const { writes, framesSent } = server.stats().traffic;
      expect(writes).toBeGreaterThanOrEqual(6);
      expect(writes).toBeLessThanOrEqual(3 + 3 * windows);
      expect(framesSent).toBe(63);
    });

    it("has the length of the longest prefix that the room's name begins with", async () => {
      const roomWindows = [
        { prefix: "", windowMs: 0 },
        { prefix: "pos:", windowMs: LONG_MS },
        { prefix: "pos:own:", windowMs: 0 },
      ];
      const { server, join } = await startServer({ roomWindowMs: LONG_MS, roomWindows });
      const { connection } = await join();
      const sentAtOnce = (room: string): number => {
        connection.enter(room);
        const before = server.stats().traffic.framesSent;
        for (const text of ["1", "2", "3"]) server.toRoom(room, bytes(text), []);
        return server.stats().traffic.framesSent - before;
      };
      expect(["chat", "pos:own:1", "pos:1"].map(sentAtOnce)).toEqual([3, 3, 1]);
    });

    it("opens by itself for a room with many messages, and not for one with few", async () => {
      const { server, join } = await startServer({ roomWindowMs: "auto" });
      const [hot, calm] = [await join(), await join()];
      hot.connection.enter("hot");
      calm.connection.enter("calm");
      server.toRoom("calm", bytes("1"), []);
      server.toRoom("calm", bytes("2"), []);
      expect(server.stats().traffic.framesSent).toBe(2);
      let sent = 0;
      // Send each message in its own turn of the event loop, until some messages shared a write.
      await vi.waitFor(
        () => {
          server.toRoom("hot", bytes(String(sent)), []);
          sent += 1;
          expect(server.stats().traffic.writes).toBeLessThan(sent - 10);
        },
        { timeout: 10_000, interval: 2 },
      );
      server.toRoom("hot", bytes("end"), []);
      await vi.waitFor(() => expect(hot.texts.at(-1)).toBe("end"), WAIT);
      expect(hot.texts.slice(0, -1)).toEqual(Array.from({ length: sent }, (_, index) => String(index)));
    });

    it("delivers to a member no message sent before it entered, and every message sent before it left", async () => {
      const { server, join } = await startServer({ roomWindowMs: LONG_MS });
      const [stays, comes, leaves] = [await join(), await join(), await join()];
      stays.connection.enter("room");
      leaves.connection.enter("room");
      for (const text of ["0", "1", "2"]) server.toRoom("room", bytes(text), []);
      // The first one was sent at once.
      expect(server.stats().bytesHeldBack).toBeGreaterThan(0);
      comes.connection.enter("room");
      expect(server.stats().bytesHeldBack).toBe(0);
      for (const text of ["3", "4"]) server.toRoom("room", bytes(text), []);
      leaves.connection.leave("room");
      leaves.connection.send("after leaving");
      for (const text of ["5", "6"]) server.toRoom("room", bytes(text), []);
      await vi.waitFor(() => expect(stays.texts).toEqual(["0", "1", "2", "3", "4", "5", "6"]), WAIT);
      await vi.waitFor(() => expect(comes.texts).toEqual(["3", "4", "5", "6"]), WAIT);
      expect(leaves.texts).toEqual(["0", "1", "2", "3", "4", "after leaving"]);
      expect(server.stats().bytesHeldBack).toBe(0);
    });

    it("applies each message's exclusions to that message only", async () => {
      const { server, join } = await startServer({ roomWindowMs: LONG_MS });
      const members = [await join(), await join(), await join()];
      for (const { connection } of members) connection.enter("room");
      const ids = members.map(({ connection }) => connection.id);
      server.toRoom("room", bytes("all"), []);
      for (const [index, id] of ids.entries()) server.toRoom("room", bytes(`not ${index}`), [id]);
      server.toRoom("room", bytes("only 2"), ids.slice(0, 2));
      server.toRoom("room", bytes("end"), []);
      const expected = [
        ["all", "not 1", "not 2", "end"],
        ["all", "not 0", "not 2", "end"],
        ["all", "not 0", "not 1", "only 2", "end"],
      ];
      for (const [index, { texts }] of members.entries()) {
        await vi.waitFor(() => expect(texts).toEqual(expected[index]), WAIT);
      }
      expect(server.stats()).toMatchObject({ topics: 1, memberships: 3 });
    });

    it("sends what waits before it closes a connection", async () => {
      const { server, join } = await startServer({ roomWindowMs: LONG_MS });
      const [first, second] = [await join(), await join()];
      first.connection.enter("room");
      second.connection.enter("room");
      for (const text of ["0", "1", "2"]) server.toRoom("room", bytes(text), []);
      first.connection.close("terminated");
      await vi.waitFor(() => expect(first.closes).toHaveLength(1), WAIT);
      expect(first.texts).toEqual(["0", "1", "2"]);
      server.toRoom("room", bytes("3"), []);
      await server.close();
      await vi.waitFor(() => expect(second.closes).toHaveLength(1), WAIT);
      expect(second.texts).toEqual(["0", "1", "2", "3"]);
    });

    it("reports one close if what waits is more than a client that is being closed may have queued", async () => {
      const { server, joinRaw, closed } = await startServer({ roomWindowMs: LONG_MS, maxBackpressureBytes: 64 * 1024 });
      const { raw, connection } = await joinRaw();
      const rooms = Array.from({ length: 10 }, (_, index) => `room ${index}`);
      for (const room of rooms) connection.enter(room);
      raw.socket.pause();
      for (let sent = 0; connection.bufferedBytes === 0; sent += 1) {
        expect(sent).toBeLessThan(10_000);
        connection.send("x".repeat(10_000));
        await new Promise((resolve) => setImmediate(resolve));
      }
      for (const room of rooms) {
        for (const text of ["at once", "x".repeat(12_000)]) server.toRoom(room, bytes(text), []);
      }
      connection.close("terminated");
      await new Promise((resolve) => setImmediate(resolve));
      expect(closed).toMatchObject([{ reason: "slow-consumer" }]);
      const { connections, slowConsumersClosed, closed: kinds } = server.stats();
      expect({ connections, slowConsumersClosed, kinds }).toMatchObject({
        connections: 0,
        slowConsumersClosed: 1,
        kinds: { "slow-consumer": 1 },
      });
    });

    it("holds no more than fits into one write, however fast messages come", async () => {
      const { server, join } = await startServer({ roomWindowMs: LONG_MS });
      const { connection, texts } = await join();
      connection.enter("room");
      const large = "x".repeat(20_000);
      const frames = Array.from({ length: 500 }, (_, index) => `${index}:${index % 50 === 0 ? large : ""}`);
      for (const [index, frame] of frames.entries()) {
        server.toRoom("room", bytes(frame), []);
        expect(index + 1 - server.stats().traffic.framesSent).toBeLessThan(32);
      }
      await vi.waitFor(() => expect(texts).toHaveLength(500), WAIT);
      expect(texts).toEqual(frames);
    });
  });

  describe("a room with more members than are written to in one turn", () => {
    /** Starts a server with lanes of ten members, and lets `members` clients enter a room. */
    async function crowded(members: number, roomWindowMs: number) {
      const test = await startServer({ maxMembersPerTurn: 10, roomWindowMs });
      const clients: TestClient[] = [];
      for (let index = 0; index < members; index += 1) {
        const client = await test.join();
        client.connection.enter("room");
        client.connection.enter("room");
        clients.push(client);
      }
      return { ...test, clients };
    }

    it.each([0, 5])("gets its messages in order, with other work in between (window of %i ms)", async (windowMs) => {
      const { server, clients, join } = await crowded(35, windowMs);
      expect(server.stats()).toMatchObject({ topics: 1, memberships: 35 });
      const except = [clients[3], clients[14], clients[34]].map((client) => client?.connection.id ?? "");
      const before = server.stats().traffic.framesSent;
      server.toRoom("room", bytes("0"), []);
      // At most the first ten members get the message before other work is done.
      expect(server.stats().traffic.framesSent - before).toBeLessThanOrEqual(10);
      server.toRoom("room", bytes("1"), except);
      server.toRoom("room", bytes("2"), []);
      const late = await join();
      late.connection.enter("room");
      await sendApart((text) => server.toRoom("room", bytes(`late ${text}`), []), 50);
      server.toRoom("room", bytes("end"), []);
      const lateTexts = Array.from({ length: 50 }, (_, index) => `late ${index}`);
      for (const { texts, connection } of clients) {
        const expected = except.includes(connection.id) ? ["0", "2"] : ["0", "1", "2"];
        await vi.waitFor(() => expect(texts).toEqual([...expected, ...lateTexts, "end"]), WAIT);
      }
      await vi.waitFor(() => expect(late.texts).toEqual([...lateTexts, "end"]), WAIT);
    });

    it("is written to a few megabytes at a time, and a member that leaves or enters does not change that", async () => {
      const { server, clients, join } = await crowded(20, 0);
      const late = await join();
      const large = "x".repeat(LARGE_BYTES);
      const sent = Array.from({ length: 14 }, (_, index) => `${index}:${large}`);
      const framesSent = (): number => server.stats().traffic.framesSent;
      for (const text of sent) server.toRoom("room", bytes(text), []);
      expect(framesSent()).toBeLessThanOrEqual(TURN_FRAMES);
      // The frames that are held back are sent to the member that leaves, and to none that enters.
      const before = framesSent();
      const [leaves] = clients;
      leaves?.connection.leave("room");
      late.connection.enter("room");
      expect(framesSent() - before).toBeLessThanOrEqual(sent.length);
      server.toRoom("room", bytes("end"), []);
      for (let turn = 0, seen = framesSent(); seen < 19 * 15 + 1; turn += 1) {
        expect(turn).toBeLessThan(100);
        await new Promise((resolve) => setImmediate(resolve));
        expect(framesSent() - seen).toBeLessThanOrEqual(TURN_FRAMES);
        seen = framesSent();
      }
      const digest = (texts: readonly string[]): string[] => texts.map((text) => `${text.slice(0, 4)} ${text.length}`);
      for (const { texts } of clients.slice(1)) {
        await vi.waitFor(() => expect(digest(texts)).toEqual(digest([...sent, "end"])), WAIT);
      }
      await vi.waitFor(() => expect(late.texts).toEqual(["end"]), WAIT);
      expect(digest(leaves?.texts ?? [])).toEqual(digest(sent));
    });

    it("shrinks as they leave, and still reaches those who stay", async () => {
      const { server, clients, closed } = await crowded(35, 0);
      for (const [index, { connection, socket }] of clients.entries()) {
        if (index % 10 === 9) continue;
        if (index % 2 === 0) connection.leave("room");
        else socket.terminate();
      }
      await vi.waitFor(() => expect(closed).toHaveLength(14), WAIT);
      expect(server.stats()).toMatchObject({ topics: 1, memberships: 3 });
      server.toRoom("room", bytes("still"), []);
      const stay = clients.filter((_, index) => index % 10 === 9);
      for (const { texts } of stay) await vi.waitFor(() => expect(texts).toEqual(["still"]), WAIT);
      for (const { connection } of stay.slice(0, 2)) connection.leave("room");
      expect(server.stats()).toMatchObject({ topics: 1, memberships: 1 });
      stay[2]?.connection.leave("room");
      expect(server.stats()).toMatchObject({ topics: 0, memberships: 0 });
      clients[9]?.connection.enter("room");
      server.toRoom("room", bytes("again"), []);
      await vi.waitFor(() => expect(clients[9]?.texts).toEqual(["still", "again"]), WAIT);
    });

    it("sends what waits before it closes a member, and does not wait for members that are gone", async () => {
      const { server, clients } = await crowded(35, 100);
      for (const text of ["0", "1", "2"]) server.toRoom("room", bytes(text), []);
      const last = clients[34];
      last?.connection.close("terminated");
      await vi.waitFor(() => expect(last?.closes).toHaveLength(1), WAIT);
      expect(last?.texts).toEqual(["0", "1", "2"]);
      for (const { socket } of clients.slice(0, 30)) socket.terminate();
      for (const { texts } of clients.slice(30, 34)) {
        await vi.waitFor(() => expect(texts).toEqual(["0", "1", "2"]), WAIT);
      }
    });
  });
}
