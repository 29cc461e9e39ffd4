import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { eventually, type RedisServer, startRedis, startRedisCluster } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";
import { bringUp, connect, outcomeOf, startStore } from "../redis-store.fixture.js";
import { startFaultRelay } from "./fault-relay.fixture.js";

setFlagsFromString("--expose-gc");
/** Collects garbage. The amount of garbage depends on how busy the machine is, so measurements must exclude it. */
const collectGarbage = runInNewContext("gc") as () => void;

const ROOM = { kind: "room", name: "lobby" } as const;

async function ownRedis(): Promise<RedisServer> {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  return redis;
}

it("settles 100,000 publishes to a Redis that hangs within the deadline, in bounded memory", async () => {
  const relay = await startFaultRelay((await ownRedis()).port);
  const store = await startStore({ url: relay.url, commandTimeoutMs: 1_000, maxPendingCommands: 5_000 });
  const message = Buffer.alloc(1_024, "x");
  await store.bus.publish(ROOM, message);
  relay.hang();
  const usedBytes = (): number => {
    collectGarbage();
    const { heapUsed, external, arrayBuffers } = process.memoryUsage();
    return heapUsed + external + arrayBuffers;
  };
  const before = usedBytes();
  const counts = new Map<string, number>();
  let slowestMs = 0;
  let settled = 0;
  let peakBytes = 0;
  for (let i = 0; i < 100_000; i++) {
    const startedAt = performance.now();
    void outcomeOf(store.bus.publish(ROOM, message)).then((outcome) => {
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
      slowestMs = Math.max(slowestMs, performance.now() - startedAt);
      settled++;
    });
    if (i % 1_000 === 0) await new Promise(setImmediate);
    if (i % 10_000 === 0) peakBytes = Math.max(peakBytes, usedBytes() - before);
  }
  await eventually(() => expect(settled).toBe(100_000));
  // 5,000 commands hold a message of 1 KiB each, twice: as an argument and as bytes to write. The rest is overhead.
  expect(peakBytes).toBeLessThan(60 * 1024 * 1024);
  expect(slowestMs).toBeLessThan(1_800);
  expect([...counts.keys()].filter((outcome) => outcome !== "unavailable" && outcome !== "timeout")).toEqual([]);
  expect(store.link.status().refusedCommands).toBeGreaterThan(1_000);
  relay.release();
  await eventually(() => expect(store.link.state).toBe("in-sync"));
  expect(await outcomeOf(store.bus.publish(ROOM, message))).toBe("done");
});

it("lets queued joins succeed after a short outage, and refuses joins beyond the queue's limit at once", async () => {
  const redis = await ownRedis();
  const store = await startStore({ url: redis.url, commandTimeoutMs: 10_000, maxPendingCommands: 100 });
  const { lease, ids } = await bringUp(store, "gw-1");
  await redis.kill();
  await eventually(() => expect(store.link.state).toBe("down"));
  // Joins of one turn share calls of up to 64 members. Each join counts as one command, and the call that reaches
  // the limit of 100 is the last one accepted.
  const joins = Array.from({ length: 200 }, () =>
    outcomeOf(store.rooms.join(lease, "lobby", [{ connectionId: ids.next(), userId: "ann" }])),
  );
  const startedAt = performance.now();
  expect(await Promise.all(joins.slice(128))).toEqual(Array.from({ length: 72 }, () => "unavailable"));
  expect(performance.now() - startedAt).toBeLessThan(500);
  expect(store.link.status().refusedCommands).toBeGreaterThanOrEqual(72);
  await redis.restart();
  expect(new Set(await Promise.all(joins.slice(0, 128)))).toEqual(new Set(["done"]));
  await store.servers.acquire(
    { serverId: "gw-1", incarnation: ids.incarnation, partitionBits: ids.partitionBits, host: "h", port: 1 },
    60_000,
  );
  expect(await store.rooms.count("lobby")).toBe(128);
});

it("has capacity for a heartbeat if there is none for anything else", async () => {
  const redis = await ownRedis();
  const store = await startStore({ url: redis.url, commandTimeoutMs: 10_000, maxPendingCommands: 100 });
  const { lease } = await bringUp(store, "gw-1");
  // Make all calls in one turn, so that no reply arrives in between. Each call sends two commands.
  const counts = Array.from({ length: 60 }, () => outcomeOf(store.rooms.count("lobby")));
  const renewal = outcomeOf(store.servers.renew(lease, { connections: 0, rooms: 0 }));
  expect(await outcomeOf(store.rooms.count("lobby"))).toBe("unavailable");
  expect(await renewal).toBe("done");
  expect(new Set(await Promise.all(counts))).toEqual(new Set(["done", "unavailable"]));
});

it("takes two commands of each of 10,000 connections at once, and has room beside them", async () => {
  const store = await startStore({ url: (await ownRedis()).url, commandTimeoutMs: 10_000 });
  // Each call sends two commands.
  const counts = Array.from({ length: 11_000 }, () => outcomeOf(store.rooms.count("lobby")));
  expect(new Set(await Promise.all(counts))).toEqual(new Set(["done"]));
});

it("fails what waits for a connection with closed when the store closes", async () => {
  const redis = await ownRedis();
  const store = await startStore({ url: redis.url, commandTimeoutMs: 30_000 });
  const server = await bringUp(store, "gw-1");
  await redis.kill();
  await eventually(() => expect(store.link.state).toBe("down"));
  const waiting = [
    store.rooms.count("lobby"),
    store.servers.renew(server.lease, { connections: 0, rooms: 0 }),
    store.bus.subscribe(ROOM, () => undefined),
  ].map(outcomeOf);
  await store.close();
  expect(await Promise.all(waiting)).toEqual(["closed", "closed", "closed"]);
});

it("joins and subscribes while a Cluster's master fails over, within the deadline", async () => {
  const cluster = await startRedisCluster({ replicas: 1, nodeTimeoutMs: 500 });
  onTestFinished(() => cluster.close());
  const store = await startStore({ url: cluster.url, commandTimeoutMs: 15_000 });
  const server = await bringUp(store, "gw-1");
  await cluster.nodes[0]?.kill();
  const rooms = Array.from({ length: 30 }, (_, i) => `room-${i}`);
  const joins = rooms.map((room) => outcomeOf(connect(store, server, "ann", [room])));
  const got = new Set<string>();
  const subscribing = rooms.map((name) => outcomeOf(store.bus.subscribe({ kind: "room", name }, () => got.add(name))));
  expect(new Set(await Promise.all([...joins, ...subscribing]))).toEqual(new Set(["done"]));
  await eventually(() => expect(store.link.state).toBe("in-sync"), { timeoutMs: 15_000 });
  await Promise.all(rooms.map((name) => store.bus.publish({ kind: "room", name }, Buffer.from("x"))));
  await eventually(() => expect(got.size).toBe(rooms.length));
}, 60_000);
