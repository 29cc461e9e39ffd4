import { CLOSE_CODES } from "@cm/protocol";
import type { TransportConnection } from "@cm/transport";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { maskedFrame, OPCODE, RawClient } from "./raw-client.js";
import {
  bytes,
  type CreateTransport,
  openClient,
  serverStarter,
  type TestClient,
  testOptions,
  WAIT,
} from "./transport-harness.js";

export function describeConnections(createTransport: CreateTransport): void {
  const startServer = serverStarter(createTransport);

  describe("rooms", () => {
    it("delivers to members only, as text, in the order of the calls", async () => {
      const { server, join } = await startServer();
      const [member, other] = [await join(), await join()];
      member.connection.enter("room");
      other.connection.enter("another room");
      server.toRoom("room", bytes("1"), []);
      member.connection.send("2");
      server.toRoom("room", bytes("3"), []);
      member.connection.send(bytes("4"));
      server.toRoom("room", bytes("5".repeat(20_000)), []);
      server.toRoom("room", bytes("6"), []);
      other.connection.send("end");
      await vi.waitFor(() => expect(member.texts).toHaveLength(6), WAIT);
      expect(member.texts.map((text) => text.slice(0, 3))).toEqual(["1", "2", "3", "4", "555", "6"]);
      await vi.waitFor(() => expect(other.texts).toEqual(["end"]), WAIT);
    });

    it("starts with enter and ends with leave, within one turn of the event loop", async () => {
      const { server, join } = await startServer();
      const { connection, texts } = await join();
      server.toRoom("room", bytes("before"), []);
      connection.enter("room");
      connection.enter("room");
      server.toRoom("room", bytes("during"), []);
      connection.leave("room");
      connection.leave("room");
      server.toRoom("room", bytes("after"), []);
      connection.send("end");
      await vi.waitFor(() => expect(texts).toContain("end"), WAIT);
      expect(texts).toEqual(["during", "end"]);
    });

    it("takes any name there is, and keeps look-alikes apart", async () => {
      const names = ["\u0000", "a\u0000b", "room:x", "x", "#/+*", "\u00e9", "e\u0301", "𝒳 🎲", " ", "x".repeat(255)];
      const { server, join } = await startServer();
      const clients: TestClient[] = [];
      for (const name of names) {
        const client = await join();
        client.connection.enter(name);
        clients.push(client);
      }
      for (const [index, name] of names.entries()) server.toRoom(name, bytes(`to ${index}`), []);
      for (const { connection } of clients) connection.send("end");
      for (const [index, { texts }] of clients.entries()) {
        await vi.waitFor(() => expect(texts).toEqual([`to ${index}`, "end"]), WAIT);
      }
      expect(server.stats().topics).toBe(names.length);
    });

    it.each([0, 1, 2, 3])("excludes exactly %i members", async (count) => {
      const { server, join } = await startServer();
      const clients = [await join(), await join(), await join(), await join()];
      for (const { connection } of clients) connection.enter("room");
      const bystander = await join();
      const except = clients.slice(0, count).map(({ connection }) => connection.id);
      const strangers = ["elsewhere.aaaa00", bystander.connection.id, ...except];
      for (let round = 0; round < 3; round += 1) {
        server.toRoom("room", bytes(`all ${round}`), []);
        server.toRoom("room", bytes(`some ${round}`), [...except, ...strangers]);
        server.toRoom("room", bytes(`some large ${round} ${"x".repeat(20_000)}`), except);
      }
      for (const { connection } of clients) connection.send("end");
      for (const [index, { texts }] of clients.entries()) {
        await vi.waitFor(() => expect(texts).toContain("end"), WAIT);
        const perRound = index < count ? ["all"] : ["all", "some", "some large"];
        const expected = [0, 1, 2].flatMap((round) => perRound.map((what) => `${what} ${round}`));
        expect(texts.map((text) => text.replace(/ x+$/, ""))).toEqual([...expected, "end"]);
      }
      expect(bystander.texts).toEqual([]);
      expect(server.stats().topics).toBe(1);
    });

    it("delivers to all when the only one left out is in no room at all", async () => {
      const { server, join } = await startServer();
      const [member, loner] = [await join(), await join()];
      member.connection.enter("room");
      server.toRoom("room", bytes("hello"), [loner.connection.id]);
      await vi.waitFor(() => expect(member.texts).toEqual(["hello"]), WAIT);
    });
  });

  describe("direct delivery", () => {
    it("reaches one connection by its id", async () => {
      const { server, join } = await startServer();
      const [first, second] = [await join(), await join()];
      expect(server.toConnection(second.connection.id, bytes("you"))).toBe(true);
      expect(server.toConnection("test.zzzz00", bytes("nobody"))).toBe(false);
      await vi.waitFor(() => expect(second.texts).toEqual(["you"]), WAIT);
      expect(first.texts).toEqual([]);
      expect(server.connection(second.connection.id)).toBe(second.connection);
    });

    it("reaches every connection of a user, and forgets the user with the last one", async () => {
      const { server, join, closed } = await startServer();
      const phones = [await join("zoë"), await join("zoë"), await join("zoë")];
      const other = await join("someone else");
      expect(server.toUser("zoë", bytes("hi"))).toBe(3);
      for (const { texts } of phones) await vi.waitFor(() => expect(texts).toEqual(["hi"]), WAIT);
      expect(other.texts).toEqual([]);
      expect(server.connectionsOf("zoë")).toEqual(phones.map(({ connection }) => connection));
      expect(server.connectionsOf("someone else")).toEqual([other.connection]);
      expect(server.connectionsOf("never seen")).toEqual([]);
      expect(server.stats().users).toBe(2);
      for (const [index, { socket }] of phones.entries()) {
        socket.close();
        await vi.waitFor(() => expect(closed).toHaveLength(index + 1), WAIT);
        expect(server.toUser("zoë", bytes("still?"))).toBe(2 - index);
      }
      expect(server.stats()).toMatchObject({ users: 1, connections: 1 });
      expect(server.toUser("never seen", bytes("hi"))).toBe(0);
    });
  });

  describe("a connection", () => {
    it("has its user and the time of its last message", async () => {
      const { join, frames, pongs } = await startServer();
      const { connection, socket } = await join("ann");
      expect(connection).toMatchObject({ userId: "ann", data: "/ws", remoteAddress: "127.0.0.1", open: true });
      expect(connection.bufferedBytes).toBe(0);
      const before = connection.lastSeenAt;
      expect(before).toBeGreaterThanOrEqual(connection.openedAt);
      await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(before), WAIT);
      socket.send("hello 🎲");
      await vi.waitFor(() => expect(frames).toEqual([{ connection, text: "hello 🎲" }]), WAIT);
      expect(connection.lastSeenAt).toBeGreaterThan(before);
      socket.pong();
      await vi.waitFor(() => expect(pongs).toEqual([connection]), WAIT);
    });

    it("refuses to send an invalid frame and to close for an unknown reason, and stays open", async () => {
      const { server, join } = await startServer();
      const { connection, texts } = await join("ann");
      connection.enter("room");
      // Values that plain JavaScript may pass.
      const wild = (value: unknown) => value as never;
      const calls: [() => unknown, string][] = [
        [() => connection.send(wild({ type: "hi" })), "frame"],
        [() => server.toRoom("room", wild("hi"), []), "frame"],
        [() => server.toConnection(connection.id, wild("hi")), "frame"],
        [() => server.toUser("ann", wild(undefined)), "frame"],
        [() => connection.close(wild("bored")), "reason"],
      ];
      for (const [call, field] of calls) {
        expect(call).toThrow(expect.objectContaining({ code: "options-invalid", details: { field } }));
      }
      expect(connection.send("end")).toBe(true);
      await vi.waitFor(() => expect(texts).toEqual(["end"]), WAIT);
    });

    it("closes with the reason's code, once, and is harmless afterwards", async () => {
      const { server, join, closed } = await startServer();
      const { connection, closes } = await join();
      connection.enter("room");
      connection.send("last words");
      connection.close("terminated", "é".repeat(100));
      // The close event is emitted before the call returns.
      expect(closed).toHaveLength(1);
      expect(connection.open).toBe(false);
      connection.close("internal");
      expect(connection.send("too late")).toBe(false);
      expect(server.toConnection(connection.id, bytes("too late"))).toBe(false);
      connection.enter("room");
      connection.leave("room");
      server.toRoom("room", bytes("too late"), []);
      expect(connection.bufferedBytes).toBe(0);
      await vi.waitFor(() => expect(closes).toEqual([{ code: CLOSE_CODES.terminated, reason: "é".repeat(61) }]), WAIT);
      expect(closed).toEqual([{ connection, code: CLOSE_CODES.terminated, reason: "é".repeat(61) }]);
      expect(server.stats()).toMatchObject({ connections: 0, users: 0, topics: 0 });
    });

    it("reports the code and reason that the client closed with", async () => {
      const { join, closed } = await startServer();
      const { connection, socket } = await join();
      socket.close(4999, "enough");
      await vi.waitFor(() => expect(closed).toEqual([{ connection, code: 4999, reason: "enough" }]), WAIT);
      const second = await join();
      second.socket.terminate();
      await vi.waitFor(() => expect(closed[1]).toMatchObject({ connection: second.connection, code: 1006 }), WAIT);
    });

    it("gets no further frame once a handler closed it, though more came in the same read", async () => {
      const { joinRaw, frames, closed } = await startServer(
        {},
        {
          frame(connection, text) {
            if (text === "stop") connection.close("terminated");
          },
        },
      );
      const { raw } = await joinRaw();
      const frame = (text: string): Buffer => maskedFrame(OPCODE.text, Buffer.from(text));
      raw.socket.write(Buffer.concat([frame("go"), frame("stop"), frame("more"), frame("and more")]));
      await vi.waitFor(() => expect(raw.closeCode).toBe(CLOSE_CODES.terminated), WAIT);
      expect(frames.map(({ text }) => text)).toEqual(["go", "stop"]);
      expect(closed).toHaveLength(1);
    });

    it("reports a binary frame", async () => {
      const { join, binaries, frames } = await startServer();
      const { connection, socket } = await join();
      socket.send(Buffer.from([1, 2, 3]));
      await vi.waitFor(() => expect(binaries).toEqual([connection]), WAIT);
      expect(frames).toEqual([]);
    });
  });

  describe("frames that are too large", () => {
    it("get an error frame and a close code up to twice the limit", async () => {
      const { server, join, closed, frames } = await startServer({ maxFrameBytes: 1024 });
      const { socket, texts, closes, connection } = await join();
      socket.send("x".repeat(1024));
      await vi.waitFor(() => expect(frames).toHaveLength(1), WAIT);
      socket.send("x".repeat(1025));
      await vi.waitFor(() => expect(closes).toEqual([{ code: 4000, reason: "frame-too-large" }]), WAIT);
      expect(texts.map((text) => JSON.parse(text))).toEqual([
        expect.objectContaining({ type: "error", code: "frame-too-large", retryable: false }),
      ]);
      expect(closed).toEqual([{ connection, code: 4000, reason: "frame-too-large" }]);
      expect(server.stats().framesTooLarge).toBe(1);
    });

    it("are cut off without an error frame beyond that", async () => {
      const { server, join, closed, frames } = await startServer({ maxFrameBytes: 1024 });
      const { socket, texts, closes } = await join();
      socket.send("x".repeat(2049));
      // A library may send 1009 before it closes the connection.
      await vi.waitFor(() => expect(closes).toEqual([{ code: expect.toBeOneOf([1006, 1009]), reason: "" }]), WAIT);
      expect([texts, frames]).toEqual([[], []]);
      expect(closed).toMatchObject([{ code: 1006 }]);
      expect(server.stats().framesTooLarge).toBe(1);
    });
  });

  describe("a handler that throws", () => {
    it.each(["open", "frame", "binary", "pong"] as const)(
      "in %s loses that connection and nothing else",
      async (name) => {
        const faulty = (connection: TransportConnection<string>): void => {
          if (connection.userId === "unlucky") throw new Error("a bug");
        };
        const { server, port, join, closed, errors } = await startServer({}, { [name]: faulty });
        const bystander = await join();
        const { socket, closes } = openClient(port, "/ws?user=unlucky");
        socket.once("open", () => {
          socket.send("text");
          socket.send(Buffer.from("binary"));
          socket.pong();
        });
        await vi.waitFor(() => expect(closes).toEqual([{ code: CLOSE_CODES.internal, reason: "internal" }]), WAIT);
        expect(errors).toMatchObject([{ stage: "handler", error: { code: "internal", cause: new Error("a bug") } }]);
        expect(closed).toHaveLength(1);
        expect(server.stats()).toMatchObject({ connections: 1, users: 1 });
        expect(bystander.connection.send("still here")).toBe(true);
      },
    );

    it("later, because it is asynchronous, loses that connection and nothing else", async () => {
      const { server, port, join, errors } = await startServer(
        {},
        { frame: ({ userId }) => (userId === "unlucky" ? Promise.reject(new Error("a bug")) : undefined) },
      );
      const bystander = await join();
      const { socket, closes } = openClient(port, "/ws?user=unlucky");
      socket.once("open", () => socket.send("text"));
      await vi.waitFor(() => expect(closes).toEqual([{ code: CLOSE_CODES.internal, reason: "internal" }]), WAIT);
      expect(errors).toMatchObject([{ stage: "handler", error: { code: "internal", cause: new Error("a bug") } }]);
      expect(server.stats()).toMatchObject({ connections: 1, users: 1 });
      expect(bystander.connection.send("still here")).toBe(true);
    });

    it("in closed leaves nothing behind", async () => {
      const { server, join, errors } = await startServer(
        {},
        {
          closed() {
            throw new Error("a bug");
          },
        },
      );
      const { socket } = await join();
      socket.terminate();
      await vi.waitFor(() => expect(errors).toHaveLength(1), WAIT);
      expect(server.stats()).toMatchObject({ connections: 0, users: 0 });
    });
  });

  describe("the end of a server", () => {
    it("closes all connections with going-away, refuses new ones, and ends only once", async () => {
      const { server, port, join, closed } = await startServer();
      const clients = [await join(), await join(), await join()];
      const closing = server.close();
      expect(server.close()).toBe(closing);
      expect(server[Symbol.asyncDispose]()).toBe(closing);
      await closing;
      for (const { closes } of clients) {
        await vi.waitFor(
          () => expect(closes).toEqual([{ code: CLOSE_CODES["going-away"], reason: "going-away" }]),
          WAIT,
        );
      }
      expect(closed).toHaveLength(3);
      const late = openClient(port, "/ws");
      await vi.waitFor(() => expect(late.closes).toHaveLength(1), WAIT);
      server.toRoom("room", bytes("nobody"), []);
      expect(server.toUser("anyone", bytes("nobody"))).toBe(0);
      expect(server.stats()).toMatchObject({ connections: 0, users: 0, topics: 0, upgrading: 0 });
    });

    it("closes many connections in waves", async () => {
      const at: number[] = [];
      const { server, port, opened } = await startServer(
        { closeTimeoutMs: 1_000 },
        { closed: () => void at.push(performance.now()) },
      );
      const sockets = await Promise.all(Array.from({ length: 300 }, () => RawClient.dial(port)));
      onTestFinished(() => {
        for (const raw of sockets) raw.destroy();
      });
      await vi.waitFor(() => expect(opened).toHaveLength(300), WAIT);
      await server.close();
      expect(at).toHaveLength(300);
      // Six waves of fifty that begin about 20 ms apart, and never less than half of that. If one wave is
      // observed late, the interval to the next one is shorter by as much, so the waves are checked together.
      const begins = at.filter((_, index) => index % 50 === 0);
      for (const [index, begin] of begins.slice(1).entries())
        expect(begin - (begins[index] ?? begin)).toBeGreaterThan(1);
      expect((begins.at(-1) ?? 0) - (begins[0] ?? 0)).toBeGreaterThan(5 * 10);
      await vi.waitFor(
        () => expect(sockets.every((raw) => raw.closeCode === CLOSE_CODES["going-away"])).toBe(true),
        WAIT,
      );
    });

    it("keeps open connections after stopAccepting", async () => {
      const { server, port, join } = await startServer();
      const { connection, texts } = await join();
      server.stopAccepting();
      server.stopAccepting();
      const late = openClient(port, "/ws");
      await vi.waitFor(() => expect(late.closes).toHaveLength(1), WAIT);
      expect(connection.send("still here")).toBe(true);
      await vi.waitFor(() => expect(texts).toEqual(["still here"]), WAIT);
    });

    it("refuses to start again", async () => {
      const server = createTransport(testOptions().options);
      await server.close();
      await expect(server.start()).rejects.toMatchObject({ code: "closed" });
    });

    it("stops a server that was closed while it started", async () => {
      const server = createTransport(testOptions().options);
      const starting = server.start();
      await server.close();
      const { port } = await starting;
      const late = openClient(port, "/ws");
      await vi.waitFor(() => expect(late.closes).toHaveLength(1), WAIT);
    });

    it("happens when the server is disposed of", async () => {
      let port = 0;
      {
        await using server = createTransport(testOptions().options);
        ({ port } = await server.start());
        expect(server.start()).toBe(server.start());
      }
      const late = openClient(port, "/ws");
      await vi.waitFor(() => expect(late.closes).toHaveLength(1), WAIT);
    });
  });
}
