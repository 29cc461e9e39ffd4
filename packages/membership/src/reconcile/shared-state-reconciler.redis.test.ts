import { createStoreHarness } from "@cm/contract-tests/store";
import { type CmError, partitionOf } from "@cm/protocol";
import { createRedisStore } from "@cm/redis-store";
import { askRedis, eventually, freshPrefix, keysUnder } from "@cm/test-kit";
import { expect, inject, it, onTestFinished } from "vitest";
import { hearAll, startChecked } from "./owner-reconciler-suite.fixture.js";
import {
  describeSharedStateReconciler,
  LEASE_MS,
  leaveWithoutRecords,
  removed,
  startReconciling,
} from "./shared-state-reconciler-suite.fixture.js";

const url = inject("redisUrl");
const port = Number(new URL(url).port);

for (const [name, storeUrl] of [
  ["Redis", url],
  ["Redis Cluster", inject("redisClusterUrl")],
] as const) {
  describeSharedStateReconciler(name, () => {
    const prefix = freshPrefix();
    return createStoreHarness({ createStore: () => createRedisStore({ url: storeUrl, prefix, partitions: 16 }) });
  });
}

/** Starts a store. Returns it with a function that finds its keys. */
async function startStore() {
  const prefix = freshPrefix();
  const store = createRedisStore({ url, prefix, partitions: 16, onError: () => undefined });
  onTestFinished(() => store.close());
  await store.start();
  const keys = async (shape: RegExp): Promise<string[]> =>
    (await keysUnder(url, `${prefix}:`)).filter((key) => shape.test(key));
  return { store, keys };
}

it("removes what a part of Redis comes back with after a server was cleaned up after", async () => {
  const { store, keys } = await startStore();
  const servers = [await startReconciling(store, "a"), await startReconciling(store, "b")];
  const [a] = servers;
  const ann = (await a?.connect("ann")) ?? "";
  await a?.membership.join(ann, "lobby");
  const ghosts = await leaveWithoutRecords(store, "dead", 20);
  const parts = await keys(/:rooms|\{u\..*:(connections|online)$/);
  const old = freshPrefix();
  for (const key of parts) await askRedis(port, "COPY", key, `${old}:${key}`);
  await eventually(async () => expect(await store.counts.of("users")).toBe(1));
  // The servers count each entry after its removal.
  await eventually(() => expect(removed(servers)).toEqual({ member: 20, user: 20 }));
  const before = removed(servers);
  const { presence, rosters } = await hearAll(store, [...ghosts.users, "ann"], ["lobby"]);
  // Restore the keys, as a replica that had not received the removals would.
  for (const key of parts) await askRedis(port, "COPY", `${old}:${key}`, key, "REPLACE");
  await eventually(() => expect(removed(servers).user).toBeGreaterThan(before.user));
  await eventually(async () => expect(await store.counts.of("connections")).toBe(1));
  await eventually(async () => expect(await store.counts.of("users")).toBe(1));
  await eventually(() => {
    const after = removed(servers);
    expect([after.member - before.member, after.user - before.user]).toEqual([20, 20]);
  });
  await eventually(() => expect(rosters).toHaveLength(20));
  expect(rosters.map(({ kind, connectionId }) => `${kind} ${connectionId}`).sort()).toEqual(
    ghosts.connectionIds.map((id) => `left ${id}`),
  );
  expect(presence.every(({ kind, userId }) => kind === "offline" && userId !== "ann")).toBe(true);
  expect((await store.rooms.members("lobby", { limit: 10 })).items).toEqual([{ connectionId: ann, userId: "ann" }]);
});

it("presumes no server dead that the registry lost until the next heartbeat", {
  timeout: 30_000,
}, async () => {
  const { store, keys } = await startStore();
  const looking = await startReconciling(store, "a");
  // The slow server takes a while to register again.
  const slow = await startChecked(store, { leaseTtlMs: LEASE_MS, heartbeatIntervalMs: LEASE_MS / 2 }, "b");
  for (const [userId, server] of [["ann", looking] as const, ["bob", slow] as const]) {
    await server.membership.join(await server.connect(userId), "lobby");
  }
  const { presence, rosters } = await hearAll(store, ["ann", "bob"], ["lobby"]);
  const [leases = ""] = await keys(/\{servers\}$/);
  for (let times = 0; times < 5; times++) {
    const { incarnation } = slow.lease();
    await askRedis(port, "ZREM", leases, `b.${incarnation}`);
    await askRedis(port, "DEL", `${leases}:b`);
    await eventually(async () => expect((await store.servers.snapshot()).living).toHaveLength(2));
    // Give the other server time to notice the missing registration.
    for (let heartbeats = 0; heartbeats < 2; heartbeats++) {
      const { expiresAtMs } = looking.lease();
      await eventually(() => expect(looking.lease().expiresAtMs).toBeGreaterThan(expiresAtMs));
    }
  }
  expect(await store.rooms.count("lobby")).toBe(2);
  expect([presence, rosters]).toEqual([[], []]);
  expect(removed([looking, slow])).toEqual({ member: 0, user: 0 });
});

it("sets right how many are online, whatever was done to the number", async () => {
  const { store, keys } = await startStore();
  const server = await startChecked(store);
  for (let i = 0; i < 40; i++) await server.connect(`user-${i % 20}`);
  expect(await store.counts.of("users")).toBe(20);
  const wrong = () => server.membership.stats().drift.wrong.user;
  const numbers = await keys(/:online$/);
  for (const key of numbers) await askRedis(port, "DEL", key);
  await eventually(async () => expect(await store.counts.of("users")).toBe(20));
  for (const key of numbers) await askRedis(port, "SET", key, "500");
  await eventually(async () => expect(await store.counts.of("users")).toBe(20));
  await eventually(() => expect(wrong()).toBe(2 * numbers.length));
  for (const key of numbers) expect(Number(await askRedis(port, "PTTL", key))).toBeGreaterThan(0);
});

it("passes over what something else lies in the place of, and sees to it once that is gone", async () => {
  const { store, keys } = await startStore();
  const errors: CmError[] = [];
  const server = await startChecked(store, { cleanupIntervalMs: 1_000, onError: (error) => errors.push(error) });
  const rooms = Array.from({ length: 32 }, (_, i) => `room-${i}`);
  const ann = await server.connect("ann");
  for (const room of rooms) await server.membership.join(ann, room);
  const [broken = ""] = await keys(/:rooms:room-3$/);
  await askRedis(port, "SET", broken, "foreign");
  await eventually(() => expect(errors.some(({ code }) => code === "store-corrupt")).toBe(true));
  const partition = partitionOf("room-3", store.partitions);
  const others = rooms.filter((room) => partitionOf(room, store.partitions) !== partition);
  expect(others.length).toBeGreaterThan(20);
  for (const room of others) await store.rooms.leave(server.lease(), room, [{ connectionId: ann, userId: "ann" }]);
  await eventually(async () => {
    for (const room of others) expect(await store.rooms.count(room)).toBe(1);
  });
  const corrupt = errors.filter(({ code }) => code === "store-corrupt").length;
  const { reconciledPartitions } = server.membership.stats().drift;
  // Rooms are reconciled twice: as this server's own state, and as shared state.
  expect(corrupt).toBeLessThanOrEqual(2 * Math.ceil(reconciledPartitions / 16));
  await askRedis(port, "DEL", broken);
  await eventually(async () => expect(await store.rooms.count("room-3")).toBe(1));
});
