import { askRedis, eventually, type RedisServer, startRedisCluster, startRedisSentinel } from "@cm/test-kit";
import { Cluster } from "ioredis";
import { expect, inject, it, onTestFinished } from "vitest";
import { slotOf } from "../keys/hash-slots.js";
import { Keys } from "../keys/key-names.js";
import { bringUp, connect, outcomeOf, startStore } from "../redis-store.fixture.js";
import type { RedisStore } from "../redis-store.js";

const CHANNELS = Array.from({ length: 60 }, (_, i) => ({ kind: "room", name: `room-${i}` }) as const);

async function outcomesOfPublishes(store: RedisStore): Promise<Set<string>> {
  const publishes = CHANNELS.map((channel) => outcomeOf(store.bus.publish(channel, Buffer.from("x"))));
  return new Set(await Promise.all(publishes));
}

it("connects through Sentinels, and follows a failover, subscriptions and all", async () => {
  const sentinel = await startRedisSentinel();
  onTestFinished(() => sentinel.close());
  const store = await startStore({ url: sentinel.url, commandTimeoutMs: 1_000 });
  const server = await bringUp(store, "gw-1");
  await connect(store, server, "ann", ["lobby"]);
  const got = new Set<string>();
  for (const channel of CHANNELS) await store.bus.subscribe(channel, () => got.add(channel.name));
  await sentinel.master.kill();
  await eventually(
    async () => expect(await askRedis(sentinel.replica.port, "ROLE")).toEqual(expect.arrayContaining(["master"])),
    { timeoutMs: 20_000 },
  );
  // Sentinels return the new master before they announce it, and the client reconnects at the announcement.
  await eventually(
    async () => {
      expect(store.link.state).toBe("in-sync");
      expect(await outcomesOfPublishes(store)).toEqual(new Set(["done"]));
    },
    { timeoutMs: 20_000, intervalMs: 100 },
  );
  await eventually(() => expect(got.size).toBe(CHANNELS.length));
  await store.servers.acquire(server.registration, 60_000);
  await connect(store, server, "bob", ["lobby"]);
  expect(await store.rooms.count("lobby")).toBeGreaterThan(0);
}, 60_000);

it("follows a Cluster's failover: no room stays deaf", async () => {
  const cluster = await startRedisCluster({ replicas: 1, nodeTimeoutMs: 1_000 });
  onTestFinished(() => cluster.close());
  const store = await startStore({ url: cluster.url, commandTimeoutMs: 1_000 });
  const got = new Set<string>();
  for (const channel of CHANNELS) await store.bus.subscribe(channel, () => got.add(channel.name));
  await cluster.nodes[0]?.kill();
  await eventually(() => expect(store.link.state).not.toBe("in-sync"));
  await eventually(
    async () => {
      expect(store.link.state).toBe("in-sync");
      expect(await outcomesOfPublishes(store)).toEqual(new Set(["done"]));
    },
    { timeoutMs: 30_000, intervalMs: 100 },
  );
  await eventually(() => expect(got.size).toBe(CHANNELS.length));
}, 60_000);

it("follows a slot that moves to another master while it is subscribed", async () => {
  const cluster = await startRedisCluster();
  onTestFinished(() => cluster.close());
  const prefix = "move";
  const store = await startStore({ url: cluster.url, prefix });
  const got: string[] = [];
  const channel = { kind: "server", name: "gw-1" } as const;
  await store.bus.subscribe(channel, (message) => got.push(Buffer.from(message).toString()));
  await store.bus.publish(channel, Buffer.from("before"));
  await eventually(() => expect(got).toEqual(["before"]));
  const slot = slotOf(`${prefix}:{gw-1}:server`);
  const ports = [...cluster.ports];
  const owner = ports[Math.floor((slot * ports.length) / 16_384)] ?? 0;
  const target = ports.find((port) => port !== owner) ?? 0;
  const targetId = String(await askRedis(target, "CLUSTER", "MYID"));
  // The empty slot is handed over as at the end of a resharding: the new master learns of it first.
  for (const port of [target, ...ports]) await askRedis(port, "CLUSTER", "SETSLOT", slot, "NODE", targetId);
  await eventually(async () => {
    expect(store.link.state).toBe("in-sync");
    expect(await store.bus.publish(channel, Buffer.from("after"))).toEqual({ subscribers: 1 });
  });
  await eventually(() => expect(got).toContain("after"));
}, 60_000);

it("spreads its subscriptions over all masters of a Cluster, one connection each", async () => {
  const url = inject("redisClusterUrl");
  const ports = [...url.matchAll(/:(\d+)/g)].map((match) => Number(match[1]));
  const store = await startStore({ url, prefix: "spread" });
  await Promise.all(CHANNELS.map((channel) => store.bus.subscribe(channel, () => undefined)));
  const counts = await Promise.all(
    ports.map(async (port) => {
      const channels = await askRedis(port, "PUBSUB", "SHARDCHANNELS", "spread:*:room:*");
      return Array.isArray(channels) ? channels.length : 0;
    }),
  );
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(CHANNELS.length);
  for (const count of counts) expect(count).toBeGreaterThan(5);
});

it("works over a Cluster client of the application, and leaves it as it was", async () => {
  const ports = [...inject("redisClusterUrl").matchAll(/:(\d+)/g)].map((match) => Number(match[1]));
  const commands = new Cluster(ports.map((port) => ({ host: "127.0.0.1", port })));
  onTestFinished(() => commands.disconnect());
  await eventually(() => expect(commands.status).toBe("ready"));
  const events = ["error", "ready", "close", "end", "refresh", "+node", "-node", "reconnecting"];
  const listeners = () => events.map((event) => commands.listenerCount(event));
  const before = listeners();
  const store = await startStore({ clients: { commands } });
  const got = new Set<string>();
  for (const channel of CHANNELS) await store.bus.subscribe(channel, () => got.add(channel.name));
  for (const channel of CHANNELS) await store.bus.publish(channel, Buffer.from("x"));
  await eventually(() => expect(got.size).toBe(CHANNELS.length));
  await store.close();
  expect(listeners()).toEqual(before);
  expect(await commands.get("nothing")).toBeNull();
});

it("retries a command as long as its caller waits while two masters of a Cluster each name the other", async () => {
  const cluster = await startRedisCluster();
  onTestFinished(() => cluster.close());
  const prefix = "moved";
  const store = await startStore({ url: cluster.url, prefix, commandTimeoutMs: 3_000 });
  const key = new Keys(prefix, 256, 0).room("lobby");
  const slot = slotOf(key);
  const owner = await cluster.ownerOf(slot);
  const target = cluster.nodes.find((node) => node !== owner);
  if (target === undefined) throw new Error("The Cluster has one node only.");
  const targetId = String(await target.ask("CLUSTER", "MYID"));
  const giveTo = (node: RedisServer) => node.ask("CLUSTER", "SETSLOT", slot, "NODE", targetId);
  // The old master gives the slot away before the new one takes it.
  await giveTo(owner);
  await expect(owner.ask("EXISTS", key)).rejects.toThrow(`MOVED ${slot} 127.0.0.1:${target.port}`);
  await expect(target.ask("EXISTS", key)).rejects.toThrow(`MOVED ${slot} 127.0.0.1:${owner.port}`);
  const announced = outcomeOf(store.rooms.enableAnnouncements("lobby", 60_000));
  const redirections = async (node: RedisServer) =>
    Number(/errorstat_MOVED:count=(\d+)/.exec(String(await node.ask("INFO", "errorstats")))?.[1]);
  // More than half of the 60 attempts that fit into the time.
  await eventually(async () => expect((await redirections(owner)) + (await redirections(target))).toBeGreaterThan(35));
  await giveTo(target);
  expect(await announced).toBe("done");
});
