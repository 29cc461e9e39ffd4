import type { CmError, FailureStage, Store } from "@cm/protocol";
import { createRedisStore } from "@cm/redis-store";
import { askRedis, eventually, freshPrefix, keysUnder } from "@cm/test-kit";
import { expect, inject, it, onTestFinished } from "vitest";
import type { MembershipOptions } from "../index.js";
import { type CheckedServer, hearAll, startChecked } from "../reconcile/owner-reconciler-suite.fixture.js";

const url = inject("redisUrl");
const port = Number(new URL(url).port);
const ROOMS = Array.from({ length: 6 }, (_, i) => `room-${i}`);

interface Reported {
  readonly error: CmError;
  readonly stage: FailureStage;
}

async function startStore(prefix: string): Promise<Store> {
  const store = createRedisStore({ url, prefix, onError: () => undefined });
  onTestFinished(() => store.close());
  await store.start();
  return store;
}

async function start(
  prefix: string,
  serverId: string,
  options: Partial<MembershipOptions> = {},
): Promise<{ readonly server: CheckedServer; readonly told: Reported[] }> {
  const told: Reported[] = [];
  const onError: MembershipOptions["onError"] = (error, { stage }) => void told.push({ error, stage });
  return { server: await startChecked(await startStore(prefix), { onError, ...options }, serverId), told };
}

/** Replaces the key whose name ends with `end` by a foreign value. */
async function spoil(prefix: string, end: string): Promise<string> {
  const key = (await keysUnder(url, `${prefix}:`)).find((name) => name.endsWith(end));
  if (key === undefined) throw new Error(`There is no key that ends with ${end}.`);
  await askRedis(port, "DEL", key);
  await askRedis(port, "SET", key, "foreign");
  return key;
}

const membersOf = async ({ store }: CheckedServer, room: string): Promise<string[]> =>
  (await store.rooms.members(room, { limit: 100 })).items.map(({ userId }) => userId);

it("holds its lease again and projects the rest if one key holds foreign data, and writes that key once it is free", async () => {
  const prefix = freshPrefix();
  const { server, told } = await start(prefix, "a");
  const { membership, store } = server;
  for (const room of ROOMS) await membership.join(await server.connect(`user of ${room}`), room);
  const all = await keysUnder(url, `${prefix}:`);
  const spoilt = all.find((name) => name.endsWith(":rooms:room-3")) ?? "";
  // Change all keys in one step, so that no heartbeat happens in between.
  await askRedis(
    port,
    "EVAL",
    "redis.call('DEL', unpack(KEYS)) redis.call('SET', ARGV[1], 'foreign')",
    all.length,
    ...all,
    spoilt,
  );
  await eventually(() => expect(membership.stats().reprojections).toBeGreaterThan(0));
  await eventually(() => expect(membership.holdsLease).toBe(true));
  for (const room of ROOMS.filter((name) => name !== "room-3")) {
    await eventually(async () => expect(await membersOf(server, room)).toEqual([`user of ${room}`]));
  }
  expect(await store.counts.of("users")).toBe(ROOMS.length);
  // Wait for several heartbeats. They must not project everything again.
  const { lastHeartbeat } = (await store.servers.snapshot()).living[0] ?? { lastHeartbeat: 0 };
  await eventually(async () => {
    expect((await store.servers.snapshot()).living[0]?.lastHeartbeat).toBeGreaterThan(lastHeartbeat + 600);
  });
  expect(membership.holdsLease).toBe(true);
  expect(membership.stats().reprojections).toBe(1);
  expect(await askRedis(port, "GET", spoilt)).toBe("foreign");
  const ofProjection = told.filter(({ error }) => error.code === "store-corrupt");
  // These errors are reported by the script that writes the room.
  expect(new Set(ofProjection.map(({ stage }) => stage))).toEqual(new Set(["projection"]));
  expect(new Set(ofProjection.map(({ error }) => error.message)).size).toBe(ofProjection.length);
  await askRedis(port, "DEL", spoilt);
  await eventually(async () => expect(await membersOf(server, "room-3")).toEqual(["user of room-3"]));
});

it.each([
  ["a room's members", ":rooms:room-3", { rosters: 25, presence: 30 }],
  ["a record partition", "{dead}:connections:0", { rosters: 22, presence: 22 }],
] as const)(
  "cleans up after a dead server except for %s with foreign data, and announces each departure once",
  async (_, end, counts) => {
    const prefix = freshPrefix();
    const { server: dead } = await start(prefix, "dead", { heartbeatIntervalMs: 500, leaseTtlMs: 1_500 });
    const users: string[] = [];
    for (const room of ROOMS) {
      for (let i = 0; i < 5; i++) {
        users.push(`${room}-${i}`);
        await dead.membership.join(await dead.connect(`${room}-${i}`), room);
      }
    }
    const { server, told } = await start(prefix, "b", { cleanupIntervalMs: 60_000 });
    const { presence, rosters } = await hearAll(server.store, users, ROOMS);
    // Close only the store, as if the process had been killed.
    await dead.store.close();
    const key = await spoil(prefix, end);
    await eventually(() => expect(server.membership.stats().reapedServers).toBe(1), { timeoutMs: 8_000 });
    await eventually(() => expect(presence.length).toBeGreaterThanOrEqual(counts.presence));
    await eventually(() => expect(rosters.length).toBeGreaterThanOrEqual(counts.rosters));
    expect(new Set(presence.map(({ kind }) => kind))).toEqual(new Set(["offline"]));
    expect(new Set(presence.map(({ userId }) => userId)).size).toBe(presence.length);
    expect(new Set(rosters.map(({ kind, connectionId }) => `${kind} ${connectionId}`)).size).toBe(rosters.length);
    expect((await keysUnder(url, `${prefix}:`)).filter((name) => name.includes("dead") && name !== key)).toEqual([]);
    expect(await askRedis(port, "GET", key)).toBe("foreign");
    expect(told.filter(({ stage }) => stage === "reaping")).toMatchObject([
      { error: { code: "store-corrupt", message: expect.stringContaining(key) } },
    ]);
  },
);

it("leaves neither its lease nor its records behind when it stops, even if a room's key holds foreign data", async () => {
  const prefix = freshPrefix();
  const { server, told } = await start(prefix, "a", { cleanupIntervalMs: 60_000, heartbeatIntervalMs: 10_000 });
  for (const room of ROOMS) await server.membership.join(await server.connect(`user of ${room}`), room);
  const gone = await server.connect("gone");
  await server.membership.join(gone, "room-3");
  const key = await spoil(prefix, ":rooms:room-3");
  // One removal is kept for a retry, and one is made at the shutdown.
  await server.membership.close(gone);
  expect(server.membership.stats().pendingRemovals).toBe(1);
  await server.membership.shutdown();
  expect((await server.store.servers.snapshot()).living).toEqual([]);
  expect(await server.store.counts.of("connections")).toBe(0);
  const left = (await keysUnder(url, `${prefix}:`)).filter((name) => /\{a\}|\{servers\}|:rooms:/.test(name));
  expect(left).toEqual([key]);
  expect(told.length).toBeGreaterThan(0);
});
