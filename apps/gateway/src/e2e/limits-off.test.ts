import type { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import { SUBPROTOCOL } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";
import WebSocket from "ws";
import type { GatewayOptions } from "../gateway-options.js";
import { AT_REST, connectIdle, serve } from "./limited-gateway.fixture.js";

type Gateway = Awaited<ReturnType<typeof serve>>;

/** What came of an attempt to exceed a limit. */
type Outcome = "within" | "refused" | "closed";

interface Case {
  /** The option with a value that the attempt exceeds. */
  readonly limited: Partial<GatewayOptions>;
  /** The name under which `/metrics` counts the limit, if it does. */
  readonly counted?: string;
  /** Other options, such as those that turn another limit off. */
  readonly with?: Partial<GatewayOptions>;
  readonly beyond: Exclude<Outcome, "within">;
  readonly attempt: (gateway: Gateway) => Promise<Outcome>;
}

const PROXIED = { trustedProxies: ["127.0.0.1"] };

/** Sends an upgrade request. Resolves with whether the connection was accepted. */
async function upgrade({ wsUrl }: Gateway, headers: Record<string, string> = {}, user = "ann"): Promise<Outcome> {
  const socket = new WebSocket(`${wsUrl}?user=${user}`, SUBPROTOCOL, { headers });
  onTestFinished(() => socket.terminate());
  return new Promise((resolve) => {
    socket.once("open", () => resolve("within"));
    socket.once("error", () => resolve("refused"));
  });
}

/** Requests five upgrades from one public address, as a trusted proxy reports it. */
async function upgradesFromOneAddress(gateway: Gateway): Promise<Outcome> {
  const outcomes: Outcome[] = [];
  for (let count = 0; count < 5; count += 1) {
    outcomes.push(await upgrade(gateway, { "x-forwarded-for": "203.0.113.7" }));
  }
  return outcomes.includes("refused") ? "refused" : "within";
}

/** Sends the requests at once. Resolves with whether one of them was refused by a limit. */
async function requests(socket: CmSocket, all: readonly Parameters<CmSocket["ask"]>[0][]): Promise<Outcome> {
  const answers = await Promise.all(all.map((request) => socket.ask(request)));
  const refusals = answers.filter(
    (answer) => answer.type === "error" && /^(rate-limited|rooms-limit|capacity-reached)$/.test(answer.code),
  );
  return refusals.length > 0 ? "refused" : "within";
}

async function joins({ open }: Gateway): Promise<Outcome> {
  const socket = await open("ann");
  return requests(
    socket,
    Array.from({ length: 5 }, (_, index) => ({ type: "join", room: `room-${index}` })),
  );
}

/** Sends messages to a user who has this many connections. */
async function sendsToCrowd({ open }: Gateway, { crowd, sends }: { crowd: number; sends: number }): Promise<Outcome> {
  await Promise.all(Array.from({ length: crowd }, () => open("crowd")));
  const sender = await open("ann");
  return requests(
    sender,
    Array.from({ length: sends }, () => ({ type: "send", user: "crowd", data: 1 })),
  );
}

/** Sends messages to a client that does not read, more than the buffers of the system hold. */
async function unreadMessages({ wsUrl, open, stats }: Gateway): Promise<Outcome> {
  const { socket } = await connectIdle(wsUrl);
  socket.pause();
  const sender = await open("ann");
  const data = "x".repeat(900_000);
  for (let sent = 0; sent < 40; sent += 1) await sender.ask({ type: "send", user: "idle", data });
  const { transport } = (await stats()) as { transport: { slowConsumersClosed: number; bytesWaiting: number } };
  if (transport.slowConsumersClosed > 0) return "closed";
  expect(transport.bytesWaiting).toBeGreaterThan(1_000_000);
  return "within";
}

const MIB = 1024 * 1024;
const LARGE_FRAMES = { maxFrameBytes: MIB, maxBackpressureBytes: 64 * MIB };

const CASES: readonly Case[] = [
  {
    limited: { maxConnections: 1 },
    beyond: "refused",
    attempt: async (gateway) => {
      await gateway.open("ann");
      return upgrade(gateway);
    },
  },
  {
    limited: { maxConnectionsPerAddress: 3 },
    counted: "connections-per-address",
    with: PROXIED,
    beyond: "refused",
    attempt: upgradesFromOneAddress,
  },
  {
    limited: { maxUpgradesPerSecondPerAddress: 1 },
    counted: "upgrades-per-address",
    with: PROXIED,
    beyond: "refused",
    attempt: upgradesFromOneAddress,
  },
  {
    limited: { maxPendingUpgrades: 2 },
    counted: "pending-upgrades",
    with: {
      authenticate: ({ query }) => (query === "user=ann" ? { userId: "ann" } : new Promise(() => undefined)),
    },
    beyond: "refused",
    attempt: async (gateway) => {
      for (let pending = 0; pending < 2; pending += 1) void upgrade(gateway, {}, "hangs");
      await eventually(async () => expect(await gateway.stats()).toMatchObject({ transport: { upgrading: 2 } }));
      return upgrade(gateway);
    },
  },
  {
    limited: { maxConnectionsPerUser: 1 },
    counted: "connections-per-user",
    beyond: "closed",
    attempt: async ({ open }) => {
      await open("ann");
      return open("ann").then(
        () => "within",
        () => "closed",
      );
    },
  },
  { limited: { maxMemberships: 3 }, counted: "memberships", beyond: "refused", attempt: joins },
  { limited: { maxServerRooms: 3 }, counted: "server-rooms", beyond: "refused", attempt: joins },
  { limited: { maxRooms: 3 }, beyond: "refused", attempt: joins },
  { limited: { maxRequestsPerSecond: 2 }, with: { clock: AT_REST }, beyond: "refused", attempt: joins },
  {
    limited: { maxBytesPerSecond: 500 },
    counted: "bytes",
    with: { clock: AT_REST },
    beyond: "refused",
    attempt: async ({ open }) => {
      const request = { type: "send", user: "carl", data: "x".repeat(1_000) };
      return requests(await open("ann"), [request, request, request]);
    },
  },
  {
    limited: { maxControlFramesPerSecond: 5 },
    counted: "control-frames",
    beyond: "closed",
    attempt: async ({ wsUrl }) => {
      const socket = new WebSocket(`${wsUrl}?user=ann`, SUBPROTOCOL);
      onTestFinished(() => socket.terminate());
      await new Promise((resolve) => socket.once("open", resolve));
      let pongs = 0;
      return new Promise((resolve) => {
        socket.once("close", (code) => resolve(code === 4203 ? "closed" : "refused"));
        socket.on("pong", () => {
          pongs += 1;
          if (pongs === 50) resolve("within");
        });
        for (let pings = 0; pings < 50; pings += 1) socket.ping();
      });
    },
  },
  {
    limited: { maxFanoutPerSecond: 3 },
    counted: "fan-out",
    with: { clock: AT_REST, maxFanoutPercent: 0 },
    beyond: "refused",
    attempt: (gateway) => sendsToCrowd(gateway, { crowd: 4, sends: 5 }),
  },
  {
    limited: { maxFanoutPercent: 1 },
    counted: "server-fan-out",
    with: { clock: AT_REST, maxFanoutPerSecond: 0 },
    beyond: "refused",
    attempt: (gateway) => sendsToCrowd(gateway, { crowd: 101, sends: 150 }),
  },
  {
    limited: { maxTotalBackpressureBytes: 2 * MIB },
    counted: "backlog",
    with: { ...LARGE_FRAMES, maxBytesPerSecond: 0 },
    beyond: "closed",
    attempt: unreadMessages,
  },
];

it.each(CASES.map((each) => ({ ...each, option: Object.keys(each.limited)[0] ?? "" })))(
  "the limit $option applies, and 0 turns it off",
  async ({ option, limited, counted, with: others = {}, beyond, attempt }) => {
    const on = await serve({ maxRequestsPerSecond: 0, ...others, ...limited });
    expect(await attempt(on)).toBe(beyond);
    if (counted !== undefined) expect(await on.reached(counted)).toBeGreaterThan(0);
    const off = await serve({ maxRequestsPerSecond: 0, ...others, [option]: 0 });
    expect(await attempt(off)).toBe("within");
    if (counted !== undefined) expect(await off.reached(counted)).toBe(0);
  },
);
