import { once } from "node:events";
import type { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import { SUBPROTOCOL } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";
import WebSocket from "ws";
import type { GatewayOptions } from "../gateway-options.js";
import { AT_REST, connectIdle, serve } from "./limited-gateway.fixture.js";

type Served = Awaited<ReturnType<typeof serve>>;

const NEVER = () => new Promise<never>(() => undefined);
const MIB = 1024 * 1024;

/** Requests a join without waiting for its answer. */
function join(socket: CmSocket, room: string): void {
  socket.tell({ type: "join", room });
}

/** Opens a connection from an address behind a trusted proxy. Resolves with the status if it is refused. */
async function openFrom(wsUrl: string, address: string): Promise<number | undefined> {
  const socket = new WebSocket(`${wsUrl}?user=ann`, SUBPROTOCOL, { headers: { "X-Forwarded-For": address } });
  onTestFinished(() => socket.terminate());
  return new Promise((resolve) => {
    socket.on("open", () => resolve(undefined));
    socket.on("unexpected-response", (_, { statusCode }) => resolve(statusCode));
    socket.on("error", () => undefined);
  });
}

/** Sends messages to a client that does not read, until `limit` has been reached. */
async function stall({ open, wsUrl, reached }: Served, limit: string): Promise<void> {
  const { socket } = await connectIdle(wsUrl);
  socket.pause();
  const sender = await open("sender");
  // The system buffers some megabytes before anything waits in the gateway.
  const data = "x".repeat(900_000);
  for (let sent = 0; (await reached(limit)) === 0; sent++) {
    expect(sent).toBeLessThan(40);
    await sender.ask({ type: "send", user: "idle", data });
  }
}

const ROUTES = { "GET /never": NEVER };
const PROXIED = { trustedProxies: ["127.0.0.1"] };
const LARGE = { maxFrameBytes: MIB, maxBytesPerSecond: 0, maxBackpressureBytes: 4 * MIB };

/** For each limit that no other test reaches: the gateway's options, and a function that reaches the limit once. */
const LIMITS: Readonly<Record<string, readonly [Partial<GatewayOptions>, (served: Served) => Promise<unknown>]>> = {
  requests: [
    { maxRequestsPerSecond: 1, clock: AT_REST },
    async ({ open }) => {
      const ann = await open("ann");
      // The burst is twice the rate, and the hello was its first request.
      for (let sent = 0; sent < 2; sent++) await ann.ask({ type: "ping" });
    },
  ],
  "faulty-frames": [
    { clock: AT_REST, maxRequestsPerSecond: 0 },
    async ({ open }) => {
      const ann = await open("ann");
      for (let sent = 0; sent < 21; sent++) ann.raw("{");
      expect(await ann.closed).toMatchObject({ code: 4000 });
    },
  ],
  pending: [
    { maxRequestsPerSecond: 0, onMembers: NEVER, hookTimeoutMs: 600_000 },
    async ({ open }) => {
      const ann = await open("ann");
      for (let sent = 0; sent < 256; sent++) ann.tell({ type: "members", room: "lobby" });
      expect(await ann.ask({ type: "members", room: "lobby" })).toMatchObject({ code: "pending-limit" });
    },
  ],
  rooms: [
    { maxRooms: 1 },
    async ({ open }) => {
      const ann = await open("ann");
      join(ann, "a");
      expect(await ann.ask({ type: "join", room: "b" })).toMatchObject({ code: "rooms-limit" });
    },
  ],
  hooks: [
    { maxPendingHooks: 1, onJoin: NEVER, hookTimeoutMs: 600_000 },
    async ({ open }) => {
      const ann = await open("ann");
      join(ann, "a");
      expect(await ann.ask({ type: "join", room: "b" })).toMatchObject({ code: "unavailable" });
    },
  ],
  "hook-time": [
    { onJoin: NEVER, hookTimeoutMs: 20 },
    async ({ open }) => {
      const ann = await open("ann");
      expect(await ann.ask({ type: "join", room: "a" })).toMatchObject({
        code: "timeout",
        message: "The hook onJoin did not answer within 20 ms.",
      });
    },
  ],
  routes: [
    { maxPendingHooks: 1, routes: ROUTES, hookTimeoutMs: 1_000 },
    async ({ url }) => {
      const statuses = await Promise.all([1, 2].map(async () => (await fetch(`${url}/never`)).status));
      expect(statuses).toContain(503);
    },
  ],
  "route-time": [
    { routes: ROUTES, hookTimeoutMs: 20 },
    async ({ url }) => expect((await fetch(`${url}/never`)).status).toBe(503),
  ],
  connections: [
    { maxConnections: 1 },
    async ({ open, wsUrl }) => {
      await open("ann");
      expect(await openFrom(wsUrl, "203.0.113.7")).toBe(503);
    },
  ],
  "connections-per-address": [
    { ...PROXIED, maxConnectionsPerAddress: 1 },
    async ({ wsUrl }) => {
      const statuses = [await openFrom(wsUrl, "203.0.113.7"), await openFrom(wsUrl, "203.0.113.7")];
      expect(statuses).toEqual([undefined, 429]);
    },
  ],
  "upgrades-per-address": [
    { ...PROXIED, maxUpgradesPerSecondPerAddress: 1 },
    async ({ wsUrl, reached }) => {
      // A burst of twice the rate; the next token comes after a second.
      await Promise.all([1, 2, 3].map(() => openFrom(wsUrl, "203.0.113.7")));
      expect(await reached("upgrades-per-address")).toBe(1);
    },
  ],
  "pending-upgrades": [
    { maxPendingUpgrades: 1, authenticate: NEVER },
    async ({ wsUrl, stats }) => {
      void openFrom(wsUrl, "203.0.113.7");
      await eventually(async () => expect(await stats()).toMatchObject({ transport: { upgrading: 1 } }));
      expect(await openFrom(wsUrl, "203.0.113.7")).toBe(503);
    },
  ],
  "control-frames": [
    { maxControlFramesPerSecond: 1 },
    async ({ wsUrl }) => {
      const socket = new WebSocket(`${wsUrl}?user=ann`, SUBPROTOCOL);
      await once(socket, "open");
      for (let sent = 0; sent < 10; sent++) socket.ping();
      expect((await once(socket, "close"))[0]).toBe(4203);
    },
  ],
  "head-bytes": [
    { maxHeadBytes: 1_024 },
    async ({ wsUrl }) => expect(await openFrom(wsUrl, "x".repeat(2_000))).toBe(431),
  ],
  "frame-bytes": [
    { maxFrameBytes: 1_024 },
    async ({ open }) => {
      const ann = await open("ann");
      ann.raw("x".repeat(2_000));
      await ann.closed;
    },
  ],
  backpressure: [LARGE, (served) => stall(served, "backpressure")],
  backlog: [{ ...LARGE, maxTotalBackpressureBytes: MIB }, (served) => stall(served, "backlog")],
};

it.each(Object.entries(LIMITS))("counts the limit %s each time that it is reached", async (limit, [options, reach]) => {
  const served = await serve(options);
  expect(await served.reached(limit)).toBe(0);
  await reach(served);
  await eventually(async () => expect(await served.reached(limit)).toBe(1));
});

it("counts each refused request under the code that the client is sent", async () => {
  const { open, refused } = await serve({
    onJoin: (_, { room }) => (room === "open" ? undefined : { refuse: "forbidden" }),
    onMembers: () => {
      throw new Error("a fault");
    },
    maxFrameBytes: 1_024,
  });
  const ann = await open("ann");
  const codes: string[] = [];
  for (const request of [
    { type: "join", room: "closed" },
    { type: "join", room: "" },
    { type: "join", room: "x".repeat(256) },
    { type: "publish", room: "open", data: 1 },
    { type: "members", room: "open" },
    { type: "send", user: "nobody", data: 1 },
    { type: "nothing" },
  ]) {
    const answer = await ann.ask(request);
    if (answer.type === "error") codes.push(answer.code);
  }
  expect(codes).toEqual([
    "forbidden",
    "name-invalid",
    "name-too-long",
    "not-a-member",
    "internal",
    "not-found",
    "operation-unknown",
  ]);
  expect(await Promise.all(codes.map(refused))).toEqual(codes.map(() => 1));
  expect(await refused("rooms-limit")).toBeNaN();
});
