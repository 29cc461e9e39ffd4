import type { LinkState, PageRequest } from "@cm/protocol";
import { askRedis, eventually, type RedisServer, startRedis } from "@cm/test-kit";
import { Cluster, Redis } from "ioredis";
import { expect, inject, it, onTestFinished } from "vitest";
import type { RedisStore } from "../index.js";
import { DeliveryProbe } from "../link/delivery-probe.js";
import { startFaultRelay } from "../link/fault-relay.fixture.js";
import { outcomeOf, portOf, startStore } from "../redis-store.fixture.js";

const ROOM = { kind: "room", name: "lobby" } as const;
const QUICK = { probeIntervalMs: 100, probeTimeoutMs: 500 } as const;

async function ownRedis(): Promise<RedisServer> {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  return redis;
}

function states(store: RedisStore): LinkState[] {
  const seen: LinkState[] = [];
  store.link.onState((state) => seen.push(state));
  return seen;
}

it("refuses a message that is no bytes, and a page that is missing", async () => {
  const store = await startStore({ url: inject("redisUrl") });
  // Values that plain JavaScript may pass.
  for (const message of ["text", { type: "hello" }, undefined]) {
    await expect(store.bus.publish(ROOM, message as unknown as Uint8Array)).rejects.toMatchObject({
      code: "options-invalid",
      details: { field: "message" },
    });
  }
  const page = { code: "options-invalid", details: { field: "page" } };
  await expect(store.users.online(undefined as unknown as PageRequest)).rejects.toMatchObject(page);
  await expect(store.rooms.members("lobby", undefined as unknown as PageRequest)).rejects.toMatchObject(page);
});

it("replaces a subscriber that receives nothing while publishing works, and notifies its channels", async () => {
  const relay = await startFaultRelay((await ownRedis()).port);
  const store = await startStore({ url: relay.url, ...QUICK });
  const got: string[] = [];
  let resumed = 0;
  await store.bus.subscribe(
    ROOM,
    (message) => got.push(Buffer.from(message).toString()),
    () => resumed++,
  );
  const seen = states(store);
  relay.swallowReplies("subscriber");
  // Redis still counts the subscriber, so only the probe can detect the fault.
  expect(await store.bus.publish(ROOM, Buffer.from("lost"))).toEqual({ subscribers: 1 });
  await eventually(() => expect(seen).toEqual(["degraded", "resubscribing", "in-sync"]));
  expect(resumed).toBe(1);
  expect(store.link.status()).toMatchObject({ replacedSubscribers: 1, reconnects: 1, resubscriptions: 1 });
  await store.bus.publish(ROOM, Buffer.from("heard"));
  await eventually(() => expect(got).toEqual(["heard"]));
});

it("brings publisher and subscriber together again that were left with two different servers", async () => {
  const [old, promoted] = [await ownRedis(), await ownRedis()];
  const relay = await startFaultRelay(old.port);
  const store = await startStore({ url: relay.url, ...QUICK });
  const got: string[] = [];
  await store.bus.subscribe(ROOM, (message) => got.push(Buffer.from(message).toString()));
  relay.redirect(promoted.port);
  relay.cut("subscriber");
  await eventually(() => expect(store.link.state).toBe("resubscribing"));
  // The old server accepts messages as before, but has no subscriber.
  expect(await store.bus.publish(ROOM, Buffer.from("lost"))).toEqual({ subscribers: 0 });
  await eventually(() => expect(store.link.state).toBe("in-sync"));
  expect(await store.bus.publish(ROOM, Buffer.from("heard"))).toEqual({ subscribers: 1 });
  await eventually(() => expect(got).toEqual(["heard"]));
});

it.each([
  ["an idle one", false],
  ["one that waits for an acknowledgement", true],
])("replaces a deaf subscriber of the application's too: %s", async (_, subscribing) => {
  const relay = await startFaultRelay((await ownRedis()).port);
  // With the default options of ioredis, there is no limit on the time that it waits for a reply.
  const clients = {
    commands: new Redis(relay.url, { connectionName: "cm:commands" }),
    subscriber: new Redis(relay.url, { connectionName: "cm:subscriber" }),
  };
  onTestFinished(() => Object.values(clients).forEach((client) => void client.disconnect()));
  const store = await startStore({ clients, ...QUICK });
  const got: string[] = [];
  await store.bus.subscribe(ROOM, (message) => got.push(Buffer.from(message).toString()));
  if (subscribing) {
    relay.swallowNextSubscribe();
    relay.cut("subscriber");
  } else {
    relay.swallowReplies("subscriber");
  }
  await eventually(() => expect(store.link.status().replacedSubscribers).toBe(1));
  await eventually(() => expect(store.link.state).toBe("in-sync"));
  await store.bus.publish(ROOM, Buffer.from("heard"));
  await eventually(() => expect(got).toEqual(["heard"]));
});

it("has the application's client connect again that gets no answers any more", async () => {
  const relay = await startFaultRelay((await ownRedis()).port);
  const clients = {
    commands: new Redis(relay.url, { connectionName: "cm:commands" }),
    subscriber: new Redis(relay.url, { connectionName: "cm:subscriber" }),
  };
  onTestFinished(() => Object.values(clients).forEach((client) => void client.disconnect()));
  const store = await startStore({ clients, ...QUICK, commandTimeoutMs: 300 });
  relay.swallowReplies("commands");
  expect(await outcomeOf(store.servers.snapshot())).toBe("timeout");
  await eventually(() => expect(store.link.state).toBe("down"));
  await eventually(() => expect(store.link.state).toBe("in-sync"));
  expect(await outcomeOf(store.servers.snapshot())).toBe("done");
});

it.each(["subscriber", "commands"] as const)("finds a half-open connection in a Cluster: of %s", async (role) => {
  const ports = [...inject("redisClusterUrl").matchAll(/:(\d+)/g)].map((match) => Number(match[1]));
  const relays = await Promise.all(ports.map((port) => startFaultRelay(port)));
  const natMap = Object.fromEntries(
    ports.map((port, i) => [`127.0.0.1:${port}`, { host: "127.0.0.1", port: portOf(relays[i]?.url ?? "") }]),
  );
  const cluster = new Cluster(Object.values(natMap), { natMap, redisOptions: { connectionName: "cm:commands" } });
  onTestFinished(() => cluster.disconnect());
  const store = await startStore({ clients: { commands: cluster }, ...QUICK, commandTimeoutMs: 300 });
  const names = Array.from({ length: 30 }, (_, i) => `room-${i}`);
  const got = new Set<string>();
  await Promise.all(names.map((name) => store.bus.subscribe({ kind: "room", name }, () => got.add(name))));
  const seen = states(store);
  relays[0]?.swallowReplies(role);
  await eventually(() => expect(seen).toContain("degraded"));
  await eventually(() => expect(store.link.state).toBe("in-sync"));
  expect(store.link.status().replacedSubscribers).toBe(role === "subscriber" ? 1 : 0);
  await Promise.all(names.map((name) => store.bus.publish({ kind: "room", name }, Buffer.from("x"))));
  await eventually(() => expect(got.size).toBe(names.length));
});

it("calls a link down, not deaf, if publishes get no answer, and comes back", async () => {
  const relay = await startFaultRelay((await ownRedis()).port);
  const store = await startStore({ url: relay.url, ...QUICK, commandTimeoutMs: 300 });
  const seen = states(store);
  relay.swallowReplies("commands");
  await eventually(() => expect(seen).toContain("down"));
  await eventually(() => expect(store.link.state).toBe("in-sync"));
  expect(store.link.status()).toMatchObject({ replacedSubscribers: 0 });
  expect(await outcomeOf(store.bus.publish(ROOM, Buffer.from("x")))).toBe("done");
});

it.each([
  ["a pause of clients", ["CLIENT", "PAUSE", 700, "ALL"]],
  ["a slow command", ["DEBUG", "SLEEP", 0.7]],
] as const)("replaces nothing for a stall that is shorter than the limits: %s", async (_, command) => {
  const redis = await ownRedis();
  const store = await startStore({ url: redis.url, probeIntervalMs: 100, probeTimeoutMs: 2_000 });
  const got: string[] = [];
  await store.bus.subscribe(ROOM, (message) => got.push(Buffer.from(message).toString()));
  const seen = states(store);
  const stalled = askRedis(redis.port, ...command);
  await stalled;
  expect(await store.bus.publish(ROOM, Buffer.from("x"))).toEqual({ subscribers: 1 });
  await eventually(() => expect(got).toEqual(["x"]));
  await eventually(() => expect(store.link.status().lastProbeMs).toBeLessThan(100));
  expect(seen).toEqual([]);
  expect(store.link.status()).toMatchObject({ replacedSubscribers: 0, reconnects: 0, timedOutCommands: 0 });
});

it("comes back from a pause that is longer than the limits, without a storm of connections", async () => {
  const redis = await ownRedis();
  const relay = await startFaultRelay(redis.port);
  const store = await startStore({ url: relay.url, ...QUICK, commandTimeoutMs: 300 });
  const seen = states(store);
  await askRedis(redis.port, "CLIENT", "PAUSE", 2_000, "ALL");
  await eventually(() => expect(seen).toContain("down"));
  await eventually(() => expect(store.link.state).toBe("in-sync"));
  expect(relay.connections).toBeLessThan(20);
  expect(await store.bus.publish(ROOM, Buffer.from("x"))).toEqual({ subscribers: 0 });
});

it("replaces nothing because this process stood still itself", async () => {
  // The probe's message waits unread while this process is blocked, as if Redis had sent it in time.
  let replaced = 0;
  let last: Buffer | undefined;
  const probe = new DeliveryProbe({
    publish: (payload) => {
      last = payload;
      return Promise.resolve(1);
    },
    isReady: () => true,
    isLive: () => true,
    replace: () => replaced++,
    replacePublisher: () => undefined,
    changed: () => undefined,
    intervalMs: 50,
    timeoutMs: 200,
  });
  onTestFinished(() => probe.close());
  await eventually(() => expect(last).toBeDefined(), { intervalMs: 1 });
  const until = performance.now() + 600;
  while (performance.now() < until);
  // The overdue timers run first, as they do before any socket is read.
  await new Promise((resolve) => setTimeout(resolve, 0));
  if (last !== undefined) probe.take(last);
  expect({ proof: probe.proof, replaced }).toEqual({ proof: "proven", replaced: 0 });
  // The same silence while this process is running counts as a fault.
  await eventually(() => expect(replaced).toBeGreaterThan(0));
});

it("knows how old its proof is, and renews it without anybody publishing", async () => {
  const redis = await ownRedis();
  const store = await startStore({ url: redis.url, ...QUICK });
  const ages = new Set<number | undefined>();
  await eventually(() => {
    ages.add(store.link.status().lastProbeMs);
    expect(ages.size).toBeGreaterThan(20);
  });
  for (const age of ages) expect(age).toBeLessThan(500);
});

it("does not keep a process alive", () => {
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
  const before = timers();
  const probe = new DeliveryProbe({
    publish: () => Promise.resolve(1),
    isReady: () => true,
    isLive: () => true,
    replace: () => undefined,
    replacePublisher: () => undefined,
    changed: () => undefined,
    intervalMs: 1_000,
    timeoutMs: 3_000,
  });
  expect(timers()).toBe(before);
  probe.close();
});

it("refuses a message that would break its subscribers' links", async () => {
  const store = await startStore({ url: inject("redisUrl") });
  const got: number[] = [];
  await store.bus.subscribe(ROOM, (message) => got.push(message.length));
  const seen = states(store);
  const limit = 8 * 1024 * 1024;
  const refusal = { code: "payload-too-large", details: { bytes: limit + 1, maxBytes: limit } };
  const draft = {
    before: Buffer.alloc(1),
    after: Buffer.alloc(limit),
    sender: { origin: "gw-1", epoch: 1, sequence: 1 },
  };
  await expect(store.bus.publish(ROOM, Buffer.alloc(limit + 1))).rejects.toMatchObject(refusal);
  await expect(store.bus.history?.append("lobby", draft)).rejects.toMatchObject(refusal);
  await store.bus.publish(ROOM, Buffer.alloc(limit));
  await eventually(() => expect(got).toEqual([limit]));
  expect(seen).toEqual([]);
});

it.each(["*", "*:server"])("does not take a tool that listens on the pattern %s for a server", async (pattern) => {
  const redis = await ownRedis();
  const store = await startStore({ url: redis.url, ...QUICK });
  const away = { kind: "server", name: "away" } as const;
  const here = { kind: "server", name: "here" } as const;
  await store.bus.subscribe(here, () => undefined);
  const tool = new Redis(redis.url);
  onTestFinished(() => tool.disconnect());
  await tool.psubscribe(pattern);
  await eventually(async () => expect(await store.bus.publish(away, Buffer.from("x"))).toEqual({ subscribers: 0 }));
  expect(await store.bus.publish(here, Buffer.from("x"))).toEqual({ subscribers: 1 });
});
