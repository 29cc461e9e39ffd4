import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { isCmError, parseClientFrame, SUBPROTOCOL } from "@cm/protocol";
import { afterEach, expect, test } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import type { LoadOptions } from "./load-options.js";
import { runLoad } from "./run-load.js";

/** Faults of a server, by the number of the delivery or of the publish. */
interface Faults {
  /** Number of times that a delivery is sent; 1 is correct. */
  readonly copies?: (delivery: number) => number;
  /** Whether to hold a delivery back until the next one to the same member was sent. */
  readonly delay?: (delivery: number) => boolean;
  /** The code with which to refuse a publish. */
  readonly refuse?: (publish: number) => string | undefined;
  /** Whether to close the publisher's connection. */
  readonly cut?: (publish: number) => boolean;
  /** Whether to deliver to members of all rooms. */
  readonly leak?: boolean;
}

const servers: WebSocketServer[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) {
    for (const client of server.clients) client.terminate();
    server.close();
    await once(server, "close");
  }
});

/** A small server with the client protocol and intentional faults. */
async function startServer(faults: Faults = {}): Promise<string> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => SUBPROTOCOL });
  servers.push(server);
  const rooms = new Map<string, Set<WebSocket>>();
  const held = new Map<WebSocket, string>();
  let deliveries = 0;
  let publishes = 0;
  const deliver = (to: WebSocket, frame: string) => {
    const delivery = deliveries++;
    if (faults.delay?.(delivery) === true && !held.has(to)) {
      held.set(to, frame);
      return;
    }
    for (let copy = faults.copies?.(delivery) ?? 1; copy > 0; copy--) to.send(frame);
    const late = held.get(to);
    if (late !== undefined) to.send(late);
    held.delete(to);
  };
  server.on("connection", (socket, request) => {
    const user = new URL(request.url ?? "", "ws://localhost").searchParams.get("user") ?? "";
    const answer = (frame: object) => socket.send(JSON.stringify(frame));
    socket.on("close", () => {
      for (const members of rooms.values()) members.delete(socket);
    });
    socket.on("message", (data) => {
      const parsed = parseClientFrame(String(data));
      if (!parsed.ok) return answer({ type: "error", code: parsed.error.code, message: "", retryable: false });
      const frame = parsed.value;
      if (frame.type === "hello") answer({ type: "welcome", version: 1, connection: user, user, server: "test" });
      if (frame.type === "join") {
        const members = rooms.get(frame.room) ?? new Set();
        rooms.set(frame.room, members.add(socket));
        answer({ type: "ack", ref: frame.ref });
      }
      if (frame.type !== "publish") return;
      const publish = publishes++;
      const code = faults.refuse?.(publish);
      if (code !== undefined) return answer({ type: "error", code, message: "", retryable: true, ref: frame.ref });
      const from = { connection: user, user };
      const text = JSON.stringify({ type: "message", room: frame.room, from, data: frame.data });
      const members = faults.leak === true ? server.clients : (rooms.get(frame.room) ?? []);
      for (const member of members) if (frame.echo || member !== socket) deliver(member, text);
      if (frame.ref !== undefined) answer({ type: "ack", ref: frame.ref });
      if (faults.cut?.(publish) === true) socket.close(4200);
    });
  });
  await once(server, "listening");
  // The address of a server that listens on TCP is an object.
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`;
}

const SMALL = { rooms: 3, members: 4, rate: 300, seconds: 0.5, seed: 1 } satisfies Partial<LoadOptions>;

test("Against a server without faults, everything arrives once and in order", async () => {
  const report = await runLoad({ ...SMALL, urls: [await startServer()] });
  expect(report).toMatchObject({
    ok: true,
    published: 150,
    forfeited: { late: 0, blocked: 0 },
    connections: { joined: 12, failed: 0 },
    findings: { expected: 600, delivered: 600, losses: 0, duplicates: 0, roomOrderViolations: 0, strays: 0 },
    acks: { accepted: 150, refused: 0, unanswered: 0 },
    errors: {},
    closes: {},
  });
  expect(report.latencyMs.p50).toBeGreaterThan(0);
  expect(report.latencyMs.max).toBeGreaterThanOrEqual(report.latencyMs.p99);
});

test("Publishers that want no echo are not expected to get their own messages", async () => {
  const report = await runLoad({ ...SMALL, urls: [await startServer()], echo: false, acks: false });
  expect(report).toMatchObject({ ok: true, findings: { expected: 450, delivered: 450 } });
});

test("A lost delivery is counted, and fails the run", async () => {
  const url = await startServer({ copies: (delivery) => (delivery === 100 || delivery === 222 ? 0 : 1) });
  const report = await runLoad({ ...SMALL, urls: [url] });
  expect(report).toMatchObject({ ok: false, findings: { losses: 2, duplicates: 0, roomOrderViolations: 0 } });
});

test("A duplicate delivery is counted, and fails the run", async () => {
  const url = await startServer({ copies: (delivery) => (delivery === 77 ? 3 : 1) });
  const report = await runLoad({ ...SMALL, urls: [url] });
  expect(report).toMatchObject({ ok: false, findings: { losses: 0, duplicates: 2, roomOrderViolations: 0 } });
});

test("A member that sees two publishers' messages the other way round is found", async () => {
  const url = await startServer({ delay: (delivery) => delivery === 50 });
  const report = await runLoad({ ...SMALL, rooms: 1, urls: [url] });
  expect(report).toMatchObject({ ok: false, findings: { losses: 0, duplicates: 0 } });
  expect(report.findings.roomOrderViolations).toBeGreaterThan(0);
});

test("One publisher's messages the other way round are found", async () => {
  const url = await startServer({ delay: (delivery) => delivery === 50 });
  const report = await runLoad({ ...SMALL, rooms: 1, publishers: 1, urls: [url] });
  expect(report).toMatchObject({ ok: false, findings: { losses: 0, publisherOrderViolations: 1 } });
});

test("Messages that leak into other rooms are strays", async () => {
  const report = await runLoad({ ...SMALL, urls: [await startServer({ leak: true })] });
  expect(report).toMatchObject({ ok: false, findings: { delivered: 600, losses: 0, strays: 1_200 } });
});

test("A refused publish is no loss, and its code is counted", async () => {
  const url = await startServer({ refuse: (publish) => (publish < 10 ? "rate-limited" : undefined) });
  const report = await runLoad({ ...SMALL, urls: [url] });
  expect(report).toMatchObject({
    ok: true,
    findings: { expected: 560, delivered: 560 },
    acks: { accepted: 140, refused: 10 },
    errors: { "rate-limited": 10 },
  });
});

test.each<[string, Faults]>([
  ["refused", { refuse: (publish) => (publish < 10 ? "rate-limited" : undefined) }],
  // Each message has four deliveries.
  ["lost", { copies: (delivery) => (delivery < 4 ? 0 : 1) }],
])("A message that is %s does not count as one in flight for good", async (_, faults) => {
  const url = await startServer(faults);
  const report = await runLoad({ ...SMALL, urls: [url], publishers: 1, maxInFlight: 1, seconds: 3 });
  expect(report.published).toBeGreaterThan(50);
});

test("Messages that were due while driver and server stood still count with their whole wait", async () => {
  const url = await startServer({
    refuse: (publish) => {
      const until = performance.now() + (publish === 50 ? 150 : 0);
      while (performance.now() < until);
      return undefined;
    },
  });
  const report = await runLoad({ ...SMALL, urls: [url] });
  // 45 of the 150 messages were due within those 150 ms.
  expect(report.latencyMs.p90).toBeGreaterThan(50);
});

test("A publisher that is cut off is counted by its close code, and the others continue", async () => {
  const url = await startServer({ cut: (publish) => publish === 20 });
  const report = await runLoad({ ...SMALL, urls: [url] });
  expect(report).toMatchObject({ published: 150, closes: { "4200": 1 } });
  expect(report.findings.expected).toBeLessThan(600);
});

test("Members of a room are spread over all addresses, in turn", async () => {
  const urls = [await startServer(), await startServer()];
  const run = runLoad({ ...SMALL, urls, onSteady: () => counts.push(servers.map((server) => server.clients.size)) });
  const counts: number[][] = [];
  // The two servers do not exchange messages, so half of each room's members miss each message.
  expect(await run).toMatchObject({ ok: false, findings: { expected: 600, delivered: 300, losses: 300 } });
  expect(counts).toEqual([
    [6, 6],
    [6, 6],
  ]);
});

test("Where no connection can be made, the run fails with a code", async () => {
  const url = await startServer();
  servers[0]?.close();
  const run = runLoad({ ...SMALL, urls: [url] });
  await expect(run).rejects.toSatisfy((error: unknown) => isCmError(error) && error.code === "unavailable");
});
