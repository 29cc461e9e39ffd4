import { watchUsers } from "@cm/gateway-kit/invariants/watched-users";
import { type FaultCluster, startFaultCluster } from "@cm/gateway-kit/processes/fault-cluster";
import { createRedisStore, type RedisStore } from "@cm/redis-store";
import { eventually, keysUnder, type RedisServer, startRedis } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";

/** Enough for a lease, heartbeats and two complete reconciliations on a slow machine. */
const PATIENCE = { timeoutMs: 20_000 };

const FAST = { CLEANUP_INTERVAL_MS: "2000" };

/** A store next to the gateways, for reading. */
async function readerOf({ url }: RedisServer, { prefix }: FaultCluster): Promise<RedisStore> {
  const store = createRedisStore({ url, prefix });
  onTestFinished(() => store.close());
  await store.start();
  return store;
}

/** Number of servers that the running gateways have cleaned up after. */
async function reaped(cluster: FaultCluster, running: readonly number[]): Promise<number> {
  const stats = await Promise.all(running.map((index) => cluster.stats(index)));
  return stats.reduce((sum, { reapedServers = 0 }) => sum + reapedServers, 0);
}

it("removes members that come back into Redis after their server was cleaned up", { timeout: 60_000 }, async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const cluster = await startFaultCluster({ redis, size: 3, env: FAST });
  const store = await readerOf(redis, cluster);
  const ann = await cluster.connect(0, "ann");
  await ann.do({ type: "join", room: "lobby" });
  await (await cluster.connect(2, "victim")).do({ type: "join", room: "lobby" });
  const parts = (await keysUnder(redis.url, `${cluster.prefix}:`)).filter((key) =>
    /:rooms|\{u\..*:(connections|online)$/.test(key),
  );
  for (const key of parts) await redis.ask("COPY", key, `old:${key}`);
  await cluster.gateways[2]?.kill();
  await eventually(
    async () => expect([await reaped(cluster, [0, 1]), await store.counts.of("users")]).toEqual([1, 1]),
    PATIENCE,
  );
  // Restore older data, as a failover to a lagging replica would.
  for (const key of parts) await redis.ask("COPY", `old:${key}`, key, "REPLACE");
  expect([await store.counts.of("users"), await store.counts.of("connections")]).toEqual([2, 2]);
  await eventually(
    async () => expect([await store.counts.of("users"), await store.counts.of("connections")]).toEqual([1, 1]),
    PATIENCE,
  );
  const [lobby = ""] = parts.filter((key) => key.endsWith(":rooms:lobby"));
  await eventually(async () => expect(await redis.ask("ZCARD", lobby)).toBe(1), PATIENCE);
  const logs = JSON.stringify(cluster.gateways.map((gateway) => gateway.logs));
  expect(logs).toContain("store drifted from local state");
  await ann.close();
  await eventually(async () => expect(await store.counts.of("rooms")).toBe(0), PATIENCE);
});

it("announces once the members whose server died after its records were lost", { timeout: 60_000 }, async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const cluster = await startFaultCluster({ redis, env: FAST });
  const store = await readerOf(redis, cluster);
  await (await cluster.connect(0, "ann")).do({ type: "join", room: "lobby" });
  await (await cluster.connect(1, "victim")).do({ type: "join", room: "lobby" });
  const watch = await watchUsers(cluster, ["ann", "victim"]);
  // Kill the server before its records are deleted, because it would write them again.
  await cluster.gateways[1]?.kill();
  const records = await keysUnder(redis.url, `${cluster.prefix}:{${cluster.gateways[1]?.serverId}}:connections:`);
  expect(records).not.toEqual([]);
  for (const key of records) await redis.ask("DEL", key);
  await eventually(async () => expect(await reaped(cluster, [0])).toBe(1), PATIENCE);
  expect(await store.counts.of("users")).toBe(2);
  await eventually(async () => expect(await store.counts.of("users")).toBe(1), PATIENCE);
  await eventually(() => expect(watch.changes).toEqual(["offline victim"]));
  expect(new Set(watch.shownOffline)).toEqual(new Set(["victim"]));
  expect(await store.counts.of("connections")).toBe(1);
});
