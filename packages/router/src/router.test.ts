import { createMemoryHub, createMemoryStore } from "@cm/memory-store";
import { type CrossServerMessage, createConnectionIdSource, encodeEnvelope, type Published } from "@cm/protocol";
import { type CallTable, callsNotRejectedWith } from "@cm/test-kit";
import { beforeEach, describe, expect, it } from "vitest";
import { createRouter } from "./bus-router.js";
import { bytes, type Server, startServer } from "./router.fixture.js";
import type { Router } from "./router.js";

describe("Router", () => {
  let a: Server;
  let b: Server;

  beforeEach(async () => {
    const hub = createMemoryHub();
    a = await startServer("a", createMemoryStore({ hub }));
    b = await startServer("b", createMemoryStore({ hub }));
  });

  /** Publishes a message as another server would. */
  function publishRaw(
    channel: "room" | "server",
    name: string,
    message: Partial<CrossServerMessage>,
  ): Promise<Published> {
    const complete = {
      kind: "room",
      origin: "x",
      epoch: 1,
      sequence: 0,
      target: name,
      except: [],
      payload: bytes("{}"),
    } as const;
    return a.store.bus.publish({ kind: channel, name }, encodeEnvelope({ ...complete, ...message }));
  }

  it("hands a room's messages to every server that has members, the sending one too, in one order", async () => {
    await Promise.all([a.router.enter("lobby"), b.router.enter("lobby")]);
    await Promise.all(
      Array.from({ length: 50 }, (_, i) => (i % 2 === 0 ? a : b).router.toRoom("lobby", bytes(`m${i}`))),
    );
    await expect.poll(() => [a.sockets.rooms.length, b.sockets.rooms.length]).toEqual([50, 50]);
    expect(a.sockets.rooms).toEqual(b.sockets.rooms);
    const own = a.sockets.rooms.map((message) => Number(message.text.slice(1))).filter((i) => i % 2 === 0);
    expect(own).toEqual([...own].sort((x, y) => x - y));
  });

  it("carries the excepted connections to every server", async () => {
    await b.router.enter("lobby");
    const except = [a.nextId(), b.nextId()];
    await a.router.toRoom("lobby", bytes("hi"), except);
    await expect.poll(() => b.sockets.rooms).toEqual([{ room: "lobby", text: "hi", except }]);
  });

  it("does not bother a server without members", async () => {
    await a.router.enter("lobby");
    await a.router.toRoom("lobby", bytes("hi"));
    await expect.poll(() => a.sockets.rooms.length).toBe(1);
    expect(b.router.stats().received).toBe(0);
  });

  it("reaches a connection on another server, and says so", async () => {
    const id = b.nextId();
    b.sockets.connections.add(id);
    expect(await a.router.toConnection(id, bytes("psst"))).toBe("sent");
    await expect.poll(() => b.sockets.directs).toEqual([{ to: id, text: "psst" }]);
  });

  it("reaches a local connection without the bus", async () => {
    const id = a.nextId();
    a.sockets.connections.add(id);
    await a.store.close();
    expect(await a.router.toConnection(id, bytes("psst"))).toBe("delivered");
    expect(a.sockets.directs).toEqual([{ to: id, text: "psst" }]);
  });

  it("returns not-found for a local connection that is gone and for a server that does not run", async () => {
    expect(await a.router.toConnection(a.nextId(), bytes("x"))).toBe("not-found");
    const stranger = createConnectionIdSource({ serverId: "nobody" }).next();
    expect(await a.router.toConnection(stranger, bytes("x"))).toBe("not-found");
    await expect(a.router.toConnection("no id", bytes("x"))).rejects.toMatchObject({ code: "id-invalid" });
  });

  it("reaches all devices of a user, once a server", async () => {
    const [here, there, alsoThere] = [a.nextId(), b.nextId(), b.nextId()];
    await a.store.users.add(a.lease, [{ userId: "ann", connectionId: here }]);
    await b.store.users.add(
      b.lease,
      [there, alsoThere].map((connectionId) => ({ userId: "ann", connectionId })),
    );
    a.sockets.users.add("ann");
    b.sockets.users.add("ann");
    expect(await a.router.toUser("ann", bytes("hi"))).toBe("delivered");
    await expect.poll(() => b.sockets.directs).toEqual([{ to: "ann", text: "hi" }]);
    expect(a.sockets.directs).toEqual([{ to: "ann", text: "hi" }]);
    expect(await a.router.toUser("nobody", bytes("hi"))).toBe("not-found");
  });

  it("reaches a user's local connections even if the store lost them, and does not treat others as gone", async () => {
    let isHeld = true;
    let knownForMs = 1_000;
    const { store } = a;
    const snapshot = async () => ({ ...(await store.servers.snapshot()), knownForMs });
    const router = createRouter({
      serverId: "a",
      store: { bus: store.bus, users: store.users, servers: { snapshot } },
      local: a.sockets,
      holdsLease: () => isHeld,
    });
    await a.router.close();
    await router.start();
    a.sockets.users.add("ann");
    expect(await router.toUser("ann", bytes("hi"))).toBe("delivered");
    expect(await router.toUser("bob", bytes("hi"))).toBe("not-found");
    const away = { code: "unavailable", retryable: true };
    knownForMs = 0;
    await expect(router.toUser("bob", bytes("hi"))).rejects.toMatchObject(away);
    await expect(router.toUser("bob", bytes("hi"), { confirmMs: 100 })).rejects.toMatchObject(away);
    knownForMs = 1_000;
    isHeld = false;
    await expect(router.toUser("bob", bytes("hi"))).rejects.toMatchObject(away);
    isHeld = true;
    await store.servers.unregister(a.lease);
    await expect(router.toUser("bob", bytes("hi"))).rejects.toMatchObject(away);
    expect(await router.toUser("ann", bytes("hi"))).toBe("delivered");
  });

  it("refuses ambiguous arguments, and names them", async () => {
    // Pass invalid values, as plain JavaScript may.
    const wild = (value: unknown) => value as never;
    const { router } = a;
    const frame = bytes("x");
    const id = a.nextId();
    const calls: [Promise<unknown>, string][] = [
      [router.toRoom("lobby", frame, wild(id)), "except"],
      [router.toRoom("lobby", frame, wild([1])), "except"],
      [router.toRoom("lobby", frame, wild(null)), "except"],
      [router.toConnection(id, frame, wild(null)), "confirmation"],
      [router.toUser("ann", frame, wild({ timeout: 1 })), "timeout"],
      [router.toServer("b", frame, wild(1)), "confirmation"],
      [router.control("b", { type: "ping" }, wild(undefined)), "time"],
      [router.control("b", wild(undefined), { timeoutMs: 1_000 }), "request"],
      [router.control(id, wild({ type: "close" }), { timeoutMs: 1_000 }), "request"],
      [router.control(id, wild({ type: "disconnect", reason: "bored" }), { timeoutMs: 1_000 }), "reason"],
      [router.ask(frame, wild(undefined)), "time"],
      [router.recover("lobby", wild(null), { maxMessages: 1, maxBytes: 1 }, () => 0), "from"],
      [router.recover("lobby", { epoch: 1, offset: 1 }, wild(undefined), () => 0), "limit"],
    ];
    for (const [call, field] of calls) {
      await expect(call).rejects.toMatchObject({ code: "options-invalid", details: { field } });
    }
    await expect(router.enter(wild(undefined))).rejects.toMatchObject({ code: "name-invalid" });
  });

  it("does not treat a user as gone that is hidden while a lease is acquired again", async () => {
    const { store } = a;
    const connection = { userId: "bob", connectionId: b.nextId() };
    const router = createRouter({
      serverId: "a",
      store: {
        bus: store.bus,
        users: store.users,
        servers: {
          // The user connects after the lookup and before this snapshot, which finds all leases valid.
          snapshot: async () => {
            await b.store.users.add(b.lease, [connection]);
            return { ...(await store.servers.snapshot()), knownForMs: 1_000 };
          },
        },
      },
      local: a.sockets,
      holdsLease: () => true,
    });
    await a.router.close();
    await router.start();
    const away = { code: "unavailable", retryable: true };
    await expect(router.toUser("bob", bytes("hi"))).rejects.toMatchObject(away);
    expect(await router.toUser("bob", bytes("hi"))).toBe("sent");
  });

  it("reaches the application on another server and on its own", async () => {
    expect(await a.router.toServer("b", bytes("over there"))).toBe("sent");
    expect(await a.router.toServer("a", bytes("right here"))).toBe("delivered");
    expect(await a.router.toServer("c", bytes("nowhere"))).toBe("not-found");
    await expect.poll(() => b.messages).toEqual([{ origin: "a", text: "over there" }]);
    expect(a.messages).toEqual([{ origin: "a", text: "right here" }]);
  });

  it("drops a message that came twice, and counts it", async () => {
    await b.router.enter("lobby");
    for (const sequence of [1, 2, 2, 1, 3]) {
      await publishRaw("room", "lobby", { sequence, payload: bytes(`${sequence}`) });
    }
    await expect.poll(() => b.sockets.rooms.map((message) => message.text)).toEqual(["1", "2", "3"]);
    expect(b.router.stats()).toMatchObject({ duplicates: 2, gaps: 0 });
  });

  it("reports a gap, and delivers the messages after it", async () => {
    await b.router.enter("lobby");
    for (const sequence of [1, 2, 6]) await publishRaw("room", "lobby", { sequence });
    await expect.poll(() => b.gaps).toEqual([{ room: "lobby", known: { origin: "x", missed: 3 } }]);
    expect(b.sockets.rooms).toHaveLength(3);
    expect(b.router.stats()).toMatchObject({ gaps: 1, missed: 3 });
  });

  it("reports a gap in direct messages", async () => {
    const target = b.nextId();
    for (const sequence of [1, 3]) await publishRaw("server", "b", { kind: "connection", target, sequence });
    await expect.poll(() => b.gaps).toEqual([{ room: undefined, known: { origin: "x", missed: 1 } }]);
  });

  it("counts and drops what is damaged, unknown or on the wrong channel, and continues", async () => {
    await b.router.enter("lobby");
    const channel = { kind: "room", name: "lobby" } as const;
    await a.store.bus.publish(channel, bytes("garbage"));
    await a.store.bus.publish(channel, new Uint8Array(0));
    const future = encodeEnvelope({
      kind: "room",
      origin: "x",
      epoch: 1,
      sequence: 1,
      target: "lobby",
      except: [],
      payload: bytes("{}"),
    });
    future[1] = 9;
    await a.store.bus.publish(channel, future);
    await publishRaw("room", "lobby", { target: "another room", sequence: 1 });
    await publishRaw("room", "lobby", { kind: "control", sequence: 2 });
    await publishRaw("room", "lobby", { payload: new Uint8Array([0xff, 0xfe]), sequence: 3 });
    await publishRaw("server", "b", { kind: "room", sequence: 1 });
    await publishRaw("server", "b", { kind: "server", target: "not b", sequence: 2 });
    await publishRaw("room", "lobby", { payload: bytes("fine"), sequence: 9 });
    await expect.poll(() => b.sockets.rooms.map((message) => message.text)).toEqual(["fine"]);
    await expect.poll(() => b.router.stats()).toMatchObject({ damaged: 7, unknownVersion: 1, gaps: 0, received: 1 });
  });

  it("misses nothing that is published after an entry was answered", async () => {
    for (let i = 0; i < 500; i++) {
      const room = `room-${i}`;
      await b.router.enter(room);
      await a.router.toRoom(room, bytes(room));
    }
    await expect.poll(() => b.sockets.rooms.length).toBe(500);
  });

  it("refuses names and ids that are none, before anything is sent", async () => {
    await expect(a.router.toRoom("", bytes("x"))).rejects.toMatchObject({ code: "name-invalid" });
    await expect(a.router.toRoom("x".repeat(256), bytes("x"))).rejects.toMatchObject({ code: "name-too-long" });
    await expect(a.router.toUser("\ud800", bytes("x"))).rejects.toMatchObject({ code: "name-invalid" });
    await expect(a.router.toServer("a.b", bytes("x"))).rejects.toMatchObject({ code: "id-invalid" });
  });

  it("takes text as well as bytes, and refuses what is neither, confirmed or not", async () => {
    const id = b.nextId();
    b.sockets.connections.add(id);
    await b.store.users.add(b.lease, [{ userId: "ann", connectionId: id }]);
    b.sockets.users.add("ann");
    await b.router.enter("lobby");
    await a.router.toRoom("lobby", "a");
    await a.router.toConnection(id, "b");
    expect(await a.router.toConnection(id, "c", { confirmMs: 5_000 })).toBe("delivered");
    await a.router.toUser("ann", "d");
    expect(await a.router.toUser("ann", "e", { confirmMs: 5_000 })).toBe("delivered");
    await expect.poll(() => b.sockets.directs.map(({ text }) => text)).toEqual(["b", "c", "d", "e"]);
    await expect.poll(() => b.sockets.rooms.map(({ text }) => text)).toEqual(["a"]);
    for (const wrong of [{ text: "x" }, undefined, 7] as unknown[] as string[]) {
      const refused = { code: "options-invalid", details: { field: "frame" } };
      await expect(a.router.toRoom("lobby", wrong)).rejects.toMatchObject(refused);
      await expect(a.router.toConnection(id, wrong)).rejects.toMatchObject(refused);
      await expect(a.router.toUser("ann", wrong, { confirmMs: 1_000 })).rejects.toMatchObject(refused);
    }
    const text = "x" as unknown as Uint8Array;
    const refused = { code: "options-invalid", details: { field: "payload" } };
    await expect(a.router.toServer("b", text, { confirmMs: 1_000 })).rejects.toMatchObject(refused);
    await expect(a.router.ask(text, { timeoutMs: 1_000 })).rejects.toMatchObject(refused);
  });

  it("closes once, unsubscribes all channels and refuses later calls", async () => {
    await a.router.enter("lobby");
    expect(a.router.close()).toBe(a.router.close());
    await a.router.close();
    expect(await b.store.bus.publish({ kind: "room", name: "lobby" }, bytes("x"))).toEqual({ subscribers: 0 });
    expect(await b.store.bus.publish({ kind: "server", name: "a" }, bytes("x"))).toEqual({ subscribers: 0 });
    const time = { timeoutMs: 1_000 };
    const later: CallTable<Router, "close"> = {
      start: () => a.router.start(),
      enter: () => a.router.enter("lobby"),
      toRoom: () => a.router.toRoom("lobby", bytes("x")),
      toConnection: () => a.router.toConnection("a.1", bytes("x")),
      toUser: () => a.router.toUser("ann", bytes("x")),
      toServer: () => a.router.toServer("b", bytes("x")),
      control: () => a.router.control("b", { type: "drain" }, time),
      ask: () => a.router.ask(bytes("x"), time),
      recover: () =>
        a.router.recover("lobby", { epoch: 1, offset: 0 }, { maxMessages: 1, maxBytes: 1 }, () => undefined),
    };
    expect(await callsNotRejectedWith("closed", later)).toEqual({});
    expect(a.router.stats().rooms).toBe(0);
  });

  it("refuses options that can't be used", () => {
    const good = { serverId: "a", store: a.store, local: a.sockets };
    expect(() => createRouter({ ...good, serverId: "a.b" })).toThrowError(
      expect.objectContaining({ code: "options-invalid", details: expect.objectContaining({ field: "serverId" }) }),
    );
    for (const bad of [
      { releaseDelayMs: -1 },
      { releaseDelayMs: 0.5 },
      { maxIdleSubscriptions: Number.NaN },
      { maxSequencers: 0 },
      { maxPending: 0 },
    ]) {
      expect(() => createRouter({ ...good, ...bad })).toThrowError(
        expect.objectContaining({ code: "options-invalid" }),
      );
    }
  });
});
