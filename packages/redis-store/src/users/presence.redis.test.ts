import { parsePresenceChange, parseRosterChange, type UserConnection } from "@cm/protocol";
import { askRedis, freshPrefix, keysUnder, RespConnection, startRedis } from "@cm/test-kit";
import { expect, inject, it, onTestFinished } from "vitest";
import type { RedisStore } from "../index.js";
import { bringUp, portOf, startStore, type TestServer } from "../redis-store.fixture.js";

const url = inject("redisUrl");
const port = portOf(url);

/** Starts a store with one partition, so that keys are known by name, and a server on it. */
async function setUp(options: { readonly url?: string; readonly lastSeenTtlMs?: number } = {}) {
  const prefix = freshPrefix();
  const store = await startStore({ url, ...options, prefix, partitions: 1 });
  const server = await bringUp(store, "gw-1");
  const keyOf = async (end: string): Promise<string> => {
    const keys = await keysUnder(options.url ?? url, `${prefix}:`);
    const found = keys.find((key) => key.endsWith(`}:${end}`));
    if (found === undefined) throw new Error(`There is no key that ends with ${end}.`);
    return found;
  };
  return { prefix, store, server, keyOf };
}

function connectionsOf({ ids }: TestServer, userId: string, count: number): UserConnection[] {
  return Array.from({ length: count }, () => ({ userId, connectionId: ids.next() }));
}

/** Number of script calls by digest. */
async function callsOf(ownPort: number): Promise<number> {
  const stats = String(await askRedis(ownPort, "INFO", "commandstats"));
  const calls = /cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1];
  return Number(calls ?? 0);
}

it("numbers changes of presence past a mark that was lost, and past one that is ahead of the clock", async () => {
  const { store, server, keyOf } = await setUp();
  const versions: { readonly version: number; readonly previousVersion: number }[] = [];
  await store.bus.subscribe({ kind: "presence", name: "0" }, (message) => {
    const change = parsePresenceChange(Buffer.from(message).toString());
    if (change.ok) versions.push(change.value);
  });
  const [first, second, third, fourth] = connectionsOf(server, "ann", 4);
  if (!first || !second || !third || !fourth) throw new Error("four connections");
  await store.users.add(server.lease, [first]);
  const mark = await keyOf("version");
  await askRedis(port, "DEL", mark);
  expect(await store.users.states(["ann"])).toMatchObject([{ version: 0 }]);
  await store.users.add(server.lease, [second]);
  const ahead = 2 ** 52;
  await askRedis(port, "SET", mark, String(ahead), "KEEPTTL");
  await store.users.add(server.lease, [third, fourth]);
  await expect.poll(() => versions.length).toBe(4);
  expect(versions[1]?.version).toBeGreaterThan(versions[0]?.version ?? Number.NaN);
  expect(versions[1]?.previousVersion).toBe(0);
  expect(versions.slice(2)).toMatchObject([
    { version: ahead + 1, previousVersion: ahead },
    { version: ahead + 2, previousVersion: ahead + 1 },
  ]);
  expect(await askRedis(port, "GET", mark)).toBe(String(ahead + 2));
  expect(await store.users.states(["ann"])).toMatchObject([{ version: ahead + 2 }]);
  // The version of the first change is the time in microseconds.
  expect(Math.abs((versions[0]?.version ?? 0) / 1000 - Date.now())).toBeLessThan(60_000);
});

it("numbers changes of a roster past a mark that was lost, and past one that is ahead of the clock", async () => {
  const { store, server, keyOf } = await setUp();
  const versions: number[] = [];
  await store.bus.subscribe({ kind: "roster", name: "lobby" }, (message) => {
    const change = parseRosterChange(Buffer.from(message).toString());
    if (change.ok) versions.push(change.value.version);
  });
  const join = () => store.rooms.join(server.lease, "lobby", connectionsOf(server, "ann", 1));
  const before = await store.rooms.enableAnnouncements("lobby", 60_000);
  await join();
  await expect.poll(() => versions.length).toBe(1);
  const mark = await keyOf("roster:lobby");
  expect(await askRedis(port, "GET", mark)).toBe(String(versions[0]));
  await askRedis(port, "DEL", mark);
  await join();
  const again = await store.rooms.enableAnnouncements("lobby", 60_000);
  const ahead = 2 ** 52;
  await askRedis(port, "SET", mark, String(ahead), "KEEPTTL");
  await join();
  await expect.poll(() => versions.length).toBe(2);
  expect(versions[0]).toBeGreaterThan(before);
  expect(again).toBeGreaterThan(versions[0] ?? Number.NaN);
  expect(versions[1]).toBe(ahead + 1);
  expect(await askRedis(port, "PTTL", mark)).toBeGreaterThan(30_000);
});

for (const [kind, target, subscribe] of [
  ["a single Redis", url, "SUBSCRIBE"],
  ["a Cluster", inject("redisClusterUrl"), "SSUBSCRIBE"],
] as const) {
  it(`announces on the documented channels, on ${kind}`, async () => {
    const { prefix, store, server, keyOf } = await setUp({ url: target });
    await store.rooms.enableAnnouncements("lobby", 60_000);
    const channels = [(await keyOf("roster:lobby")).slice(prefix.length), ":{u.0}:presence:updates"];
    const heard: unknown[] = [];
    const nodes = [...target.matchAll(/:(\d+)/g)].map(([, digits]) => Number(digits));
    for (const channel of channels) {
      for (const node of nodes) {
        const subscriber = await RespConnection.open(node);
        onTestFinished(() => subscriber.close());
        subscriber.onUnasked((reply) => heard.push(reply));
        // Masters that do not own the slot reject the subscription.
        await subscriber.command(subscribe, prefix + channel).catch(() => undefined);
      }
    }
    const [connection] = connectionsOf(server, "ann", 1);
    if (connection === undefined) throw new Error("one connection");
    await store.users.add(server.lease, [connection]);
    await store.rooms.join(server.lease, "lobby", [connection]);
    const text = () => heard.map(String).join("\n");
    await expect.poll(text).toContain('"kind":"online"');
    await expect.poll(text).toContain('"kind":"joined"');
  });
}

it("remembers when users were last online for the configured time, and drops some older entries with each write", async () => {
  const { store, server, keyOf } = await setUp({ lastSeenTtlMs: 600_000 });
  const leave = async (userId: string) => {
    const connections = connectionsOf(server, userId, 1);
    await store.users.add(server.lease, connections);
    await store.users.remove(server.lease, connections, { graceMs: 0 });
  };
  await leave("ann");
  const seen = await keyOf("seen");
  const old = Date.now() - 700_000;
  for (let i = 0; i < 10; i++) await askRedis(port, "ZADD", seen, String(old + i), `old-${i}`);
  expect(await store.users.states(["ann", "old-9"])).toMatchObject([
    { lastSeen: expect.any(Number) },
    { lastSeen: undefined },
  ]);
  for (let i = 1; i <= 5; i++) {
    await leave(`user-${i}`);
    expect(await askRedis(port, "ZCARD", seen)).toBe(11 + i - 2 * i);
  }
  expect(Number(await askRedis(port, "PTTL", seen))).toBeGreaterThan(500_000);
});

it("remembers nothing of offline users if the option is 0", async () => {
  const { prefix, store, server } = await setUp({ lastSeenTtlMs: 0 });
  const connections = connectionsOf(server, "ann", 1);
  await store.users.add(server.lease, connections);
  await store.users.remove(server.lease, connections, { graceMs: 0 });
  expect(await store.users.states(["ann"])).toMatchObject([{ lastSeen: undefined }]);
  expect((await keysUnder(url, `${prefix}:`)).filter((key) => key.endsWith(":seen"))).toEqual([]);
});

it("drops the mark of a reaped server once it was reported, and after connectionTtlMs", async () => {
  const { prefix, store } = await setUp();
  const reaped = `${prefix}:{servers}.reaped`;
  await askRedis(port, "ZADD", reaped, "1", "old.aaaa");
  const dead = await bringUp(store, "dead", 1);
  const claim = await expect
    .poll(() => store.upkeep.servers.claim({ serverId: "dead" }, "reaper", 60_000))
    .toBeDefined()
    .then(() => store.upkeep.servers.claim({ serverId: "dead" }, "reaper", 60_000));
  if (claim === undefined) throw new Error("The claim was held.");
  await store.servers.unregister(claim);
  expect(await askRedis(port, "ZRANGE", reaped, "0", "-1")).toEqual([`dead.${dead.registration.incarnation}`]);
  expect(Number(await askRedis(port, "PTTL", reaped))).toBeGreaterThan(3_500_000);
  expect((await store.servers.acquire(dead.registration, 60_000)).wasReaped).toBe(true);
  expect(await askRedis(port, "EXISTS", reaped)).toBe(0);
});

it("finds a few users among many partitions in one page", async () => {
  const store = await startStore({ url, prefix: freshPrefix() });
  const server = await bringUp(store, "gw-1");
  const all = Array.from({ length: 20 }, (_, i) => connectionsOf(server, `user-${i}`, 1)).flat();
  await store.users.add(server.lease, all);
  const { items, cursor } = await store.users.online({ limit: 100 });
  expect(items.map(({ userId }) => userId).sort()).toEqual(all.map(({ userId }) => userId).sort());
  expect(cursor).toBeUndefined();
});

it("counts no record that expired, drops some of those with each, and renews a record by activity alone", async () => {
  const { store, server, keyOf } = await setUp();
  await store.rooms.join(server.lease, "game", connectionsOf(server, "ann", 1), { record: "{}" });
  const [record, records] = [await keyOf("record:game"), await keyOf("records")];
  for (let i = 0; i < 5; i++) await askRedis(port, "ZADD", records, String(1_000 + i), `old-${i}`);
  expect(await store.counts.of("roomRecords")).toBe(1);
  await askRedis(port, "PEXPIRE", record, "5000");
  await store.upkeep.projection.renew(server.lease, { rooms: ["game"] });
  await store.rooms.join(server.lease, "game", connectionsOf(server, "bob", 1));
  expect(Number(await askRedis(port, "PTTL", record))).toBeLessThanOrEqual(5_000);
  expect(await store.roomRecords.get("game", { touch: true })).toMatchObject({ value: "{}" });
  expect(Number(await askRedis(port, "PTTL", record))).toBeGreaterThan(7_100_000);
  expect(await askRedis(port, "ZRANGE", records, "0", "-1")).toEqual(["old-2", "old-3", "old-4", "game"]);
});

it("takes the record along when a room is found to have expired", async () => {
  const { prefix, store, server, keyOf } = await setUp();
  await store.rooms.join(server.lease, "game", connectionsOf(server, "ann", 1), { record: "{}" });
  await askRedis(port, "DEL", await keyOf("rooms:game"));
  await store.upkeep.projection.renew(server.lease, { rooms: ["game"] });
  expect(await store.roomRecords.get("game")).toBeUndefined();
  expect((await keysUnder(url, `${prefix}:`)).filter((key) => key.includes("{r."))).toEqual([]);
});

/**
 * Starts a separate Redis, whose counters no other client changes, with 10,000 connections of one user in one
 * room.
 */
async function crowded(): Promise<{ store: RedisStore; server: TestServer; ownPort: number; all: UserConnection[] }> {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const store = await startStore({ url: redis.url, partitions: 1 });
  const server = await bringUp(store, "gw-1");
  const all = connectionsOf(server, "crowd", 10_000);
  await store.users.add(server.lease, all);
  await store.users.add(server.lease, [...connectionsOf(server, "ann", 1), ...connectionsOf(server, "zoe", 1)]);
  await store.rooms.join(server.lease, "lobby", all);
  return { store, server, ownPort: redis.port, all };
}

it("reads a user with 10,000 connections once in pages of users, and skips that user afterwards", async () => {
  const { store, ownPort } = await crowded();
  const sizes: number[] = [];
  const users: string[] = [];
  let cursor: string | undefined;
  // The first call of a script sends its text.
  await store.users.online({ limit: 1 }, 0);
  const before = await callsOf(ownPort);
  do {
    const page = await store.users.online({ limit: 1, cursor }, 0);
    for (const { userId, connections } of page.items) {
      users.push(userId);
      sizes.push(connections.length);
    }
    cursor = page.cursor;
  } while (cursor !== undefined);
  expect(users.sort()).toEqual(["ann", "crowd", "zoe"]);
  expect(sizes.sort((a, b) => a - b)).toEqual([1, 1, 10_000]);
  // For each of three pages, one call for the living servers and one for reading.
  expect((await callsOf(ownPort)) - before).toBeLessThanOrEqual(8);
});

it("reads 10,000 members and connections that a server holds in steps of a thousand", async () => {
  const { store, server, ownPort, all } = await crowded();
  await store.upkeep.projection.held(server.lease, "rooms", 0);
  await store.upkeep.projection.held(server.lease, "users", 0);
  const before = await callsOf(ownPort);
  const [room] = await store.upkeep.projection.held(server.lease, "rooms", 0);
  const between = await callsOf(ownPort);
  const users = await store.upkeep.projection.held(server.lease, "users", 0);
  const after = await callsOf(ownPort);
  const ids = all.map(({ connectionId }) => connectionId).sort();
  expect(room?.members.map(({ connectionId }) => connectionId).sort()).toEqual(ids);
  expect(users).toHaveLength(10_002);
  for (const steps of [between - before, after - between]) {
    expect(steps).toBeGreaterThanOrEqual(10);
    expect(steps).toBeLessThanOrEqual(12);
  }
});

it("settles 1,200 users of one partition in steps, and reports each once", async () => {
  const { store, server } = await setUp();
  const users = new Set<string>();
  let told = 0;
  await store.bus.subscribe({ kind: "presence", name: "0" }, (message) => {
    const change = parsePresenceChange(Buffer.from(message).toString());
    if (!change.ok || change.value.kind !== "offline") return;
    users.add(change.value.userId);
    told++;
  });
  const all = Array.from({ length: 1_200 }, (_, i) => connectionsOf(server, `user-${i}`, 1)).flat();
  await store.users.add(server.lease, all);
  await store.users.remove(server.lease, all, { graceMs: 1 });
  await expect.poll(() => store.upkeep.projection.endGracePeriods([0])).toBeUndefined();
  await expect.poll(() => told).toBe(1_200);
  expect(users.size).toBe(1_200);
  expect(await store.counts.of("users")).toBe(0);
});

it("refuses partitions that do not exist, their cursors, and times that are none", async () => {
  const { store, server } = await setUp();
  for (const call of [
    () => store.upkeep.projection.held(server.lease, "users", 1),
    () => store.upkeep.projection.held(server.lease, "rooms", -1),
    () => store.upkeep.projection.endGracePeriods([0.5]),
    () => store.users.online({ limit: 1 }, 1),
    () => store.users.online({ limit: 1, cursor: Buffer.from("1").toString("base64url") }),
    () => store.bus.subscribe({ kind: "presence", name: "all" }, () => {}),
    () => store.rooms.enableAnnouncements("lobby", 0),
    () => store.rooms.enableAnnouncements("lobby", 1e300),
    () => store.users.remove(server.lease, [], { graceMs: -1 }),
    () => store.users.remove(server.lease, [], { graceMs: 1e300 }),
  ]) {
    await expect(call()).rejects.toMatchObject({ code: "options-invalid" });
  }
});

it("continues a page where the one before ended within a partition", async () => {
  const { store, server } = await setUp();
  const users = Array.from({ length: 7 }, (_, index) => `user-${index}`);
  await store.users.add(
    server.lease,
    users.flatMap((userId) => connectionsOf(server, userId, 1)),
  );
  const pages: string[][] = [];
  let cursor: string | undefined;
  do {
    const page = await store.users.online({ limit: 3, ...(cursor === undefined ? {} : { cursor }) });
    pages.push(page.items.map(({ userId }) => userId));
    ({ cursor } = page);
  } while (cursor !== undefined);
  expect(pages.flat().sort()).toEqual(users);
  expect(pages.map(({ length }) => length).slice(0, 2)).toEqual([3, 3]);
});
