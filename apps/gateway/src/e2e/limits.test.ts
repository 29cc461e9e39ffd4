import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import type { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import { createMemoryStore } from "@cm/memory-store";
import { SUBPROTOCOL } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { expect, it, onTestFinished, vi } from "vitest";
import WebSocket from "ws";
import { AT_REST, connectIdle, serve } from "./limited-gateway.fixture.js";

it("refuses messages to more receivers a second than a connection may have, one beyond the rate", async () => {
  const { open, reached } = await serve({ maxFanoutPerSecond: 10, maxFanoutPercent: 0, clock: AT_REST });
  const clients = await Promise.all(Array.from({ length: 6 }, () => open("crowd")));
  const [ann, bob] = [await open("ann"), await open("bob")];
  const send = (socket: CmSocket) => socket.ask({ type: "send", user: "crowd", data: 1 });
  expect([(await send(ann)).type, (await send(ann)).type]).toEqual(["ack", "ack"]);
  expect(await send(ann)).toMatchObject({ type: "error", code: "rate-limited", retryable: true });
  expect(clients.map((client) => client.directs().length)).toEqual([2, 2, 2, 2, 2, 2]);
  // Each sender has its own budget, which also applies to rooms.
  expect((await send(bob)).type).toBe("ack");
  for (const socket of [bob, ...clients]) await socket.do({ type: "join", room: "hall" });
  expect((await bob.ask({ type: "publish", room: "hall", data: 1 })).type).toBe("ack");
  expect(await bob.ask({ type: "publish", room: "hall", data: 2 })).toMatchObject({ code: "rate-limited" });
  expect(await reached("fan-out")).toBe(2);
});

it("has no limit of connections, rooms or requests where it is 0", async () => {
  const { open } = await serve({ maxConnections: 0, maxRooms: 0, maxRequestsPerSecond: 0, clock: AT_REST });
  const ann = await open("ann");
  expect(ann.welcome.limits).toMatchObject({ maxRooms: 1_000_000_000, maxRequestsPerSecond: 1_000_000_000 });
  const rooms = Array.from({ length: 201 }, (_, index) => `room-${index}`);
  const answers = await Promise.all(rooms.map((room) => ann.ask({ type: "join", room })));
  expect(answers.filter(({ type }) => type !== "ack")).toEqual([]);
});

it("refuses requests of more bytes a second than a connection may send, one beyond the rate", async () => {
  const { open, reached } = await serve({ maxBytesPerSecond: 500, clock: AT_REST });
  const [ann, bob] = [await open("ann"), await open("bob")];
  const send = (socket: CmSocket) => socket.ask({ type: "send", user: "carl", data: "é".repeat(500) });
  expect(await send(ann)).toMatchObject({ code: "not-found" });
  expect(await send(ann)).toMatchObject({ type: "error", code: "rate-limited", retryable: true });
  expect(await ann.ask({ type: "ping" })).toMatchObject({ code: "rate-limited" });
  // Each connection has its own budget, and 0 is no limit.
  expect(await send(bob)).toMatchObject({ code: "not-found" });
  expect(await reached("bytes")).toBe(2);
  const free = await (await serve({ maxBytesPerSecond: 0, clock: AT_REST })).open("ann");
  for (let sent = 0; sent < 60; sent++) expect(await send(free)).toMatchObject({ code: "not-found" });
});

it.each([
  ["reads the size of a busy room where messages are limited by their receivers", { maxFanoutPerSecond: 1_000 }, 1],
  ["does not read the size of a busy room where nothing is limited by it", { maxFanoutPerSecond: 0 }, 0],
])("%s", async (_, limits, expected) => {
  const store = createMemoryStore();
  await store.start();
  onTestFinished(() => store.close());
  const reads = vi.spyOn(store.rooms, "count");
  const { open } = await serve({ ...limits, maxFanoutPercent: 0, clock: AT_REST, store });
  const ann = await open("ann");
  await ann.do({ type: "join", room: "hall" });
  for (let i = 0; i < 12; i++) await ann.do({ type: "publish", room: "hall", data: i });
  expect(reads).toHaveBeenCalledTimes(expected);
});

it("limits the server's time for messages to many receivers, regardless of the sender, and leaves time for small ones", async () => {
  const { open, reached } = await serve({ maxFanoutPercent: 50, maxFanoutPerSecond: 0, clock: AT_REST });
  const crowd = await Promise.all(Array.from({ length: 101 }, () => open("crowd")));
  const senders = await Promise.all(Array.from({ length: 100 }, (_, index) => open(`sender-${index}`)));
  const answers = await Promise.all(senders.map((sender) => sender.ask({ type: "send", user: "crowd", data: 1 })));
  const refused = answers.filter((answer) => answer.type === "error");
  expect(refused.length).toBeGreaterThan(0);
  expect(refused.every((answer) => answer.type === "error" && answer.code === "rate-limited")).toBe(true);
  for (const client of crowd) {
    await eventually(() => expect(client.directs()).toHaveLength(answers.length - refused.length));
  }
  expect((await senders[0]?.ask({ type: "send", user: "sender-1", data: 1 }))?.type).toBe("ack");
  expect(await reached("server-fan-out")).toBe(refused.length);
});

it("refuses the join that exceeds the server's limit, and accepts it once a place is free", async () => {
  const { open, reached, stats } = await serve({ maxMemberships: 3, maxServerRooms: 2 });
  const [ann, bob] = [await open("ann"), await open("bob")];
  await ann.do({ type: "join", room: "a" });
  await ann.do({ type: "join", room: "b" });
  expect(await bob.ask({ type: "join", room: "c" })).toMatchObject({ code: "capacity-reached", retryable: true });
  await bob.do({ type: "join", room: "b" });
  expect(await bob.ask({ type: "join", room: "a" })).toMatchObject({ code: "capacity-reached" });
  expect(await stats()).toMatchObject({ capacity: { memberships: 3, maxMemberships: 3, rooms: 2, maxRooms: 2 } });
  await ann.do({ type: "leave", room: "a" });
  await bob.do({ type: "join", room: "c" });
  ann.terminate();
  await eventually(async () => expect(await stats()).toMatchObject({ capacity: { memberships: 2, rooms: 2 } }));
  expect([await reached("server-rooms"), await reached("memberships")]).toEqual([1, 1]);
});

it("refuses a connection beyond its user's limit with a close code that forbids reconnecting", async () => {
  const { open, wsUrl, reached } = await serve({ maxConnectionsPerUser: 2 });
  const first = await open("ann");
  await open("ann");
  await open("bob");
  const socket = new WebSocket(`${wsUrl}?user=ann`, SUBPROTOCOL);
  const texts: string[] = [];
  let code: number | undefined;
  socket.on("message", (data) => texts.push(String(data)));
  socket.on("close", (closed) => {
    code = closed;
  });
  await new Promise((resolve) => socket.once("open", resolve));
  socket.send('{"type":"hello","version":1}');
  await eventually(() => expect(code).toBe(4005));
  expect(texts).toEqual([expect.stringContaining('"code":"connections-limit"')]);
  expect(await reached("connections-per-user")).toBe(1);
  await first.close();
  await eventually(async () => expect((await open("ann")).isOpen).toBe(true));
});

it("closes a user's oldest connection for a newer one where that is wanted", async () => {
  const { open } = await serve({ maxConnectionsPerUser: 2, connectionsPerUserPolicy: "replace" });
  const [first, second] = [await open("ann"), await open("ann")];
  const third = await open("ann");
  expect(await first.closed).toMatchObject({ code: 4005 });
  expect([second.isOpen, third.isOpen]).toEqual([true, true]);
  expect((await second.ask({ type: "send", connection: third.id, data: 1, confirm: true })).type).toBe("ack");
});

it("reads nothing more from the store for a client that does not read", async () => {
  const { open, wsUrl, reached } = await serve({ maxBackpressureBytes: 4 * 1024 * 1024, maxFrameBytes: 1024 * 1024 });
  const { socket, texts, send } = await connectIdle(wsUrl);
  socket.pause();
  const sender = await open("sender");
  // The system buffers some megabytes before anything is queued in the gateway.
  const data = "x".repeat(900_000);
  for (let sent = 0; (await reached("unread-answers")) === 0; sent++) {
    expect(sent).toBeLessThan(30);
    await sender.do({ type: "send", user: "idle", data });
    send({ type: "members", room: "lobby", ref: 1 });
  }
  socket.resume();
  await eventually(() => expect(texts.at(-1)).toContain('"code":"rate-limited"'));
  send({ type: "members", room: "lobby", ref: 2 });
  await eventually(() => expect(texts.at(-1)).toContain('"members":[]'));
});

it("has as many memberships and rooms as the heap has room for, by default", async () => {
  const { stats } = await serve({});
  const { capacity } = (await stats()) as { capacity: { maxMemberships: number; maxRooms: number } };
  expect(capacity.maxMemberships).toBeGreaterThanOrEqual(65_536);
  expect(capacity.maxRooms).toBe(Math.floor(capacity.maxMemberships / 2));
});

it("refuses an upgrade whose authentication takes longer than authenticationTimeoutMs", async () => {
  const { wsUrl } = await serve({ authenticationTimeoutMs: 100, authenticate: () => new Promise(() => undefined) });
  const beganAt = performance.now();
  const socket = new WebSocket(wsUrl, SUBPROTOCOL);
  const [, response] = (await once(socket, "unexpected-response")) as [unknown, IncomingMessage]; // As `ws` documents.
  expect([response.statusCode, JSON.parse(await text(response))]).toMatchObject([503, { code: "timeout" }]);
  expect(performance.now() - beganAt).toBeLessThan(4_000);
});
