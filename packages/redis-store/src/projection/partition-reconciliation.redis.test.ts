import type { PartitionReconciliation } from "@cm/protocol";
import { askRedis, freshPrefix, keysUnder, RespConnection, startRedis } from "@cm/test-kit";
import { expect, inject, it, onTestFinished } from "vitest";
import type { RedisStore } from "../index.js";
import { bringUp, connect, outcomeOf, portOf, startStore, type TestServer } from "../redis-store.fixture.js";

const url = inject("redisUrl");
const port = portOf(url);

/** Starts a store with one partition. Its keys are found by the end of their names. */
async function startOne(connectionTtlMs = 3_600_000) {
  const prefix = freshPrefix();
  const store = await startStore({ url, prefix, partitions: 1, connectionTtlMs });
  const server = await bringUp(store, "gw-1");
  const key = async (end: string): Promise<string> => {
    const [found = ""] = (await keysUnder(url, `${prefix}:`)).filter((each) => each.endsWith(end));
    return found;
  };
  return { store, server, key };
}

const repairedOf = ({ repaired }: PartitionReconciliation): number => repaired;

async function addUsers(store: RedisStore, { lease, ids }: TestServer, first: number, count: number): Promise<void> {
  const users = Array.from({ length: count }, (_, i) => ({ userId: `user-${first + i}`, connectionId: ids.next() }));
  await store.users.add(lease, users);
}

it.each([
  ["lost", ["DEL"], 0],
  ["too small", ["SET", "1"], 1],
  ["too large", ["SET", "500"], 500],
  ["no number", ["SET", "many"], 0],
] as const)("sets right how many users are online if the number is %s", async (_, [command, ...rest], wrong) => {
  const { store, server, key } = await startOne();
  await addUsers(store, server, 0, 40);
  await addUsers(store, server, 20, 40);
  const online = await key(":online");
  await askRedis(port, command, online, ...rest);
  expect(await store.counts.of("users")).toEqual(wrong);
  expect(repairedOf(await store.upkeep.projection.reconcile("users", 0))).toBe(1);
  expect(await store.counts.of("users")).toBe(60);
  expect(Number(await askRedis(port, "PTTL", online))).toBeGreaterThan(3_500_000);
  expect(repairedOf(await store.upkeep.projection.reconcile("users", 0))).toBe(0);
});

it("leaves nothing behind of a number, or of metadata, if nobody is online", async () => {
  const { store, server, key } = await startOne();
  const ann = { userId: "ann", connectionId: server.ids.next(), metadata: "1" };
  await store.users.add(server.lease, [ann]);
  await askRedis(port, "DEL", await key("}:connections"));
  expect(repairedOf(await store.upkeep.projection.reconcile("users", 0))).toBe(2);
  expect([await key(":online"), await key(":metadata")]).toEqual(["", ""]);
  expect(repairedOf(await store.upkeep.projection.reconcile("users", 0))).toBe(0);
});

it("has users leave whose grace period was lost, and only those", async () => {
  const { store, server, key } = await startOne();
  const [ann, bob] = [await connect(store, server, "ann", []), await connect(store, server, "bob", [])];
  await store.users.remove(server.lease, [ann, bob], { graceMs: 60_000 });
  await askRedis(port, "ZREM", await key(":leaving"), "ann");
  expect(repairedOf(await store.upkeep.projection.reconcile("users", 0))).toBe(1);
  await store.upkeep.projection.endGracePeriods([0]);
  expect((await store.users.states(["ann", "bob"])).map(({ isLeaving }) => isLeaving)).toEqual([false, true]);
  expect([await store.counts.of("users"), await store.counts.of("connections")]).toEqual([1, 0]);
});

it("removes rooms without members from the list, and corrects the list of records", async () => {
  const { store, server, key } = await startOne();
  for (const room of ["gone", "lost", "kept", "plain"]) {
    const member = { connectionId: server.ids.next(), userId: "ann" };
    await store.rooms.join(server.lease, room, [member], room === "plain" ? {} : { record: "{}" });
  }
  await askRedis(port, "DEL", await key(":rooms:gone"));
  await askRedis(port, "DEL", await key(":record:lost"));
  await askRedis(port, "ZREM", await key(":records"), "kept");
  expect([await store.counts.of("rooms"), await store.counts.of("roomRecords")]).toEqual([4, 2]);
  expect(repairedOf(await store.upkeep.projection.reconcile("rooms", 0))).toBe(3);
  expect([await store.counts.of("rooms"), await store.counts.of("roomRecords")]).toEqual([3, 1]);
  expect([await store.roomRecords.get("gone"), await key(":record:gone")]).toEqual([undefined, ""]);
  expect(repairedOf(await store.upkeep.projection.reconcile("rooms", 0))).toBe(0);
});

it("counts a partition of many users in small steps, right also while users come and go", {
  timeout: 60_000,
}, async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const store = await startStore({ url: redis.url, prefix: freshPrefix(), partitions: 1 });
  const server = await bringUp(store, "gw-1");
  for (let first = 0; first < 30_000; first += 2_500) await addUsers(store, server, first, 2_500);
  const [online = ""] = (await keysUnder(redis.url, "")).filter((key) => key.endsWith(":online"));
  await redis.ask("SET", online, "7");
  await redis.ask("CONFIG", "RESETSTAT");
  expect(repairedOf(await store.upkeep.projection.reconcile("users", 0))).toBe(1);
  const [, calls] = /cmdstat_evalsha:calls=(\d+)/.exec(String(await redis.ask("INFO", "commandstats"))) ?? [];
  expect(Number(calls)).toBeGreaterThanOrEqual(30);
  expect(await store.counts.of("users")).toBe(30_000);
  // Users come and go during the count: there is nothing to correct, whatever the count has seen.
  let going = true;
  const churn = (async () => {
    for (let n = 0; going; n++) {
      const someone = { userId: `guest-${n % 50}`, connectionId: server.ids.next() };
      await store.users.add(server.lease, [someone], { quiet: n % 2 === 0 });
      await store.users.remove(server.lease, [someone], { graceMs: 0 });
    }
  })();
  for (let audits = 0; audits < 10; audits++)
    expect(repairedOf(await store.upkeep.projection.reconcile("users", 0))).toBe(0);
  going = false;
  await churn;
  expect(await store.counts.of("users")).toBe(30_000);
});

it("counts a partition of no more users than it can at once, however fast they come and go", async () => {
  const { store, server, key } = await startOne();
  for (let first = 0; first < 2_500; first += 250) await addUsers(store, server, first, 250);
  let going = true;
  const churn = Array.from({ length: 8 }, async (_, i) => {
    while (going) {
      const guest = { userId: `guest-${i}`, connectionId: server.ids.next() };
      await store.users.add(server.lease, [guest]);
      await store.users.remove(server.lease, [guest], { graceMs: 0 });
    }
  });
  await askRedis(port, "SET", await key(":online"), "7");
  const { repaired } = await store.upkeep.projection.reconcile("users", 0);
  going = false;
  await Promise.all(churn);
  expect([repaired, await store.counts.of("users")]).toEqual([1, 2_500]);
});

it("skips rooms with foreign data, and names no owner because of them", async () => {
  const { store, server, key } = await startOne();
  await connect(store, server, "ann", ["lobby"]);
  const lobby = await key(":rooms:lobby");
  for (const entry of ["zz.ab~zz", "zz.ab", "no holder", "gw-1.aaaa0", "{.aaaa1|x"])
    await askRedis(port, "ZADD", lobby, "0", entry);
  const { holders } = await store.upkeep.projection.reconcile("rooms", 0);
  expect(holders.map(({ incarnation }) => incarnation).sort()).toEqual(
    ["aaaa", server.registration.incarnation].sort(),
  );
  await askRedis(port, "SET", await key("}:rooms"), "foreign");
  expect(await outcomeOf(store.upkeep.projection.reconcile("rooms", 0))).toBe("store-corrupt");
});

it("forgets the removed incarnations after connectionTtlMs", async () => {
  const prefix = freshPrefix();
  const store = await startStore({ url, prefix });
  const orphans = `${prefix}:{servers}.orphans`;
  await askRedis(port, "ZADD", orphans, "1", "old.aaaa");
  expect(await store.upkeep.servers.claim({ serverId: "dead", incarnation: "bbbb" }, "reaper", 1_000)).toBeDefined();
  expect(await askRedis(port, "ZRANGE", orphans, "0", "-1")).toEqual(["dead.bbbb"]);
  expect(Number(await askRedis(port, "PTTL", orphans))).toBeGreaterThan(3_500_000);
});

it("costs one command for each partition and for what is asked of the registry", async () => {
  const prefix = freshPrefix();
  const store = await startStore({ url, prefix, partitions: 1 });
  const server = await bringUp(store, "gw-1");
  await connect(store, server, "ann", ["lobby"]);
  const calls = [
    () => store.upkeep.projection.reconcile("users", 0),
    () => store.upkeep.projection.reconcile("rooms", 0),
    () => store.servers.snapshot({ idsOnly: true }),
    () => store.upkeep.servers.claim({ ...server.registration, incarnation: "0000" }, "reaper", 1_000),
  ];
  for (const call of calls) await call();
  const monitor = await RespConnection.open(port);
  onTestFinished(() => monitor.close());
  const seen: string[] = [];
  await monitor.command("MONITOR");
  monitor.onUnasked((reply) => seen.push(String(reply)));
  for (const call of calls) await call();
  await askRedis(port, "ECHO", `${prefix} end`);
  await expect.poll(() => seen.some((line) => line.includes(`${prefix} end`)), { timeout: 5_000 }).toBe(true);
  const own = seen.filter((line) => line.includes(`${prefix}:`) && !line.includes(" lua]"));
  // There is one more call, for the list of the partition's rooms.
  expect(own).toHaveLength(calls.length + 1);
});
