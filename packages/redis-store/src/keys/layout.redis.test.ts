import { setTimeout } from "node:timers/promises";
import { askRedis, eventually, freshPrefix, keysLeftUnder, keysUnder } from "@cm/test-kit";
import { expect, inject, it } from "vitest";
import { createRedisStore } from "../index.js";
import { bringUp, connect, outcomeOf, portOf, startStore } from "../redis-store.fixture.js";

const url = inject("redisUrl");
const port = portOf(url);

const NAMES = [
  "lobby",
  "12345678901234567890",
  "{other}tag",
  "a:b|c d\r\n*?[x]",
  "日本語👩‍👩‍👧",
  "x".repeat(20),
  "é".repeat(127),
];

/** Keys and their types, in the notation of the documentation. */
async function shapeOf(prefix: string): Promise<string[]> {
  const shape: string[] = [];
  for (const key of await keysUnder(url, `${prefix}:`)) {
    const name = key.slice(prefix.length).replace(/\{([ru])\.\w+\}/, "{$1.*}");
    shape.push(`${name} ${await askRedis(port, "TYPE", key)}`);
  }
  return shape.sort();
}

it("writes the documented keys and types for connections without metadata", async () => {
  const prefix = freshPrefix();
  const store = await startStore({ url, prefix });
  const server = await bringUp(store, "gw-1");
  await connect(store, server, "ann", ["lobby"]);
  expect(await shapeOf(prefix)).toEqual([
    ":layout hash",
    ":{gw-1}:connections:0 hash",
    ":{gw-1}:places:0 zset",
    ":{r.*}:rooms set",
    ":{r.*}:rooms:lobby zset",
    ":{servers} zset",
    ":{servers}.recently-gone zset",
    ":{servers}:gw-1 hash",
    ":{u.*}:connections zset",
    ":{u.*}:online string",
    ":{u.*}:version string",
  ]);
});

it("writes the documented keys and types for all else, each with a time to live but the layout and the leases", async () => {
  const prefix = freshPrefix();
  const store = await startStore({ url, prefix, partitions: 1 });
  const server = await bringUp(store, "gw-1");
  const [stays, leaves, left] = await Promise.all(
    ["stays", "leaves", "left"].map((userId) => connect(store, server, userId, [])),
  );
  if (stays === undefined || leaves === undefined || left === undefined) throw new Error("three connections");
  await store.users.add(server.lease, [{ ...stays, metadata: "1" }], { onlyExisting: true });
  await store.users.remove(server.lease, [leaves], { graceMs: 60_000 });
  await store.users.remove(server.lease, [left], { graceMs: 0 });
  await store.rooms.enableAnnouncements("game", 4_000_000);
  await store.rooms.join(server.lease, "game", [stays], { record: "{}" });
  await bringUp(store, "dead", 1);
  await eventually(async () => {
    const claim = await store.upkeep.servers.claim({ serverId: "dead" }, "reaper", 60_000);
    if (claim === undefined) throw new Error("The lease has not run out yet.");
    await store.servers.unregister(claim);
  });
  expect(await shapeOf(prefix)).toEqual([
    ":layout hash",
    ":{gw-1}:connections:0 hash",
    ":{gw-1}:connections:1 hash",
    ":{gw-1}:connections:2 hash",
    ":{r.*}:record:game hash",
    ":{r.*}:records zset",
    ":{r.*}:rooms set",
    ":{r.*}:rooms:game zset",
    ":{r.*}:roster:game string",
    ":{servers} zset",
    ":{servers}.reaped zset",
    ":{servers}.recently-gone zset",
    ":{servers}:gw-1 hash",
    ":{u.*}:connections zset",
    ":{u.*}:leaving zset",
    ":{u.*}:metadata hash",
    ":{u.*}:online string",
    ":{u.*}:seen zset",
    ":{u.*}:version string",
  ]);
  for (const key of await keysUnder(url, `${prefix}:`)) {
    const ttlMs = Number(await askRedis(port, "PTTL", key));
    if (/:(layout|\{servers\}(\.recently-gone)?)$/.test(key)) expect(ttlMs, key).toBe(-1);
    else expect(ttlMs, key).toBeGreaterThan(leastTtlMs(key));
  }
});

/** The documented time to live minus one minute. */
function leastTtlMs(key: string): number {
  if (/:(seen|version)$/.test(key)) return 86_340_000;
  if (/:record/.test(key)) return 7_140_000;
  if (key.endsWith(":roster:game")) return 3_940_000;
  return 3_540_000;
}

it("renews metadata with the connections, and shortens no time to live that is longer", async () => {
  const prefix = freshPrefix();
  const store = await startStore({ url, prefix, partitions: 1, connectionTtlMs: 100_000 });
  const server = await bringUp(store, "gw-1");
  const [ann, bob] = [await connect(store, server, "ann", []), await connect(store, server, "bob", [])];
  await store.users.add(server.lease, [{ ...ann, metadata: "1" }], { onlyExisting: true });
  const keys = (await keysUnder(url, `${prefix}:`)).filter((key) => /:(connections|online|metadata)$/.test(key));
  expect(keys).toHaveLength(3);
  const ttls = () => Promise.all(keys.map(async (key) => Number(await askRedis(port, "PTTL", key))));
  for (const key of keys) await askRedis(port, "PEXPIRE", key, "5000");
  await store.upkeep.projection.renew(server.lease, { users: ["ann"] });
  for (const ttlMs of await ttls()) expect(ttlMs).toBeGreaterThan(40_000);
  // A grace period may exceed the time to live; a renewal or a new user must not shorten it.
  await store.users.remove(server.lease, [bob], { graceMs: 3_600_000 });
  await store.upkeep.projection.renew(server.lease, { users: ["ann"] });
  await connect(store, server, "cat", []);
  const online = keys.filter((key) => !key.endsWith(":metadata"));
  for (const key of online) expect(Number(await askRedis(port, "PTTL", key)), key).toBeGreaterThan(3_600_000);
});

it("counts a record for as long as it can be read", async () => {
  const prefix = freshPrefix();
  const store = await startStore({ url, prefix, partitions: 1, roomRecordTtlMs: 2_000 });
  const server = await bringUp(store, "gw-1");
  await connect(store, server, "ann", []);
  const members = [{ connectionId: server.ids.next(), userId: "ann" }];
  await store.rooms.join(server.lease, "game", members, { record: "1" });
  const { version = 0 } = (await store.roomRecords.get("game")) ?? {};
  // A little later, so that the index of records still lives nearly as long as the record.
  await setTimeout(15);
  await store.roomRecords.compareAndSet("game", version, "2");
  const [record, index] = await Promise.all(
    [":record:game", ":records"].map(async (end) => {
      const [key = ""] = (await keysUnder(url, `${prefix}:`)).filter((each) => each.endsWith(end));
      return Number(await askRedis(port, "PEXPIRETIME", key));
    }),
  );
  expect(record).toBeGreaterThan(Date.now());
  expect(index).toBeGreaterThanOrEqual(record ?? Number.NaN);
});

it("keeps the usual record in Redis's packed encoding", async () => {
  const prefix = freshPrefix();
  const store = await startStore({ url, prefix });
  const server = await bringUp(store, "gateway-01");
  for (let i = 0; i < 60; i++) await connect(store, server, `user-${1_000_000 + i}`, ["room-12345"]);
  const keys = await keysUnder(url, `${prefix}:`);
  const packed = keys.filter((key) => !/:(rooms|online|version)$/.test(key));
  for (const key of packed) expect(await askRedis(port, "OBJECT", "ENCODING", key), key).toBe("listpack");
});

for (const [kind, target] of [
  ["a single Redis", url],
  ["a Cluster", inject("redisClusterUrl")],
] as const) {
  it(`leaves no key but the layout, and what is kept on purpose, after churn of every kind of name, on ${kind}`, async () => {
    const prefix = freshPrefix();
    const store = await startStore({ url: target, prefix });
    const servers = [await bringUp(store, "gw-1"), await bringUp(store, "servers"), await bringUp(store, "r")];
    for (const server of servers) {
      const connections = await Promise.all(NAMES.map((userId) => connect(store, server, userId, NAMES)));
      const said = connections.map((connection) => ({ ...connection, metadata: JSON.stringify(connection.userId) }));
      await store.users.add(server.lease, said, { onlyExisting: true });
      for (const room of NAMES) await store.rooms.join(server.lease, room, connections, { record: "{}" });
      await store.users.remove(server.lease, connections, { graceMs: 0 });
      for (const room of NAMES) await store.rooms.leave(server.lease, room, connections);
      await store.connections.remove(
        server.lease,
        connections.map(({ connectionId }) => connectionId),
      );
      await store.servers.unregister(server.lease);
    }
    expect(await keysLeftUnder(target, `${prefix}:`)).toEqual([`${prefix}:layout`]);
  });
}

it("refuses a layout that another store wrote down, naming both", async () => {
  const prefix = freshPrefix();
  await startStore({ url, prefix, partitions: 16 });
  const other = createRedisStore({ url, prefix, partitions: 32 });
  await expect(other.start()).rejects.toMatchObject({
    code: "layout-mismatch",
    details: { stored: { version: 4, partitions: 16 }, own: { version: 4, partitions: 32 } },
  });
  expect(await outcomeOf(other.servers.snapshot())).toBe("closed");
  await other.close();
});

it("refuses the layout that came before, which lacks what this one keeps", async () => {
  const prefix = freshPrefix();
  await askRedis(port, "HSET", `${prefix}:layout`, "version", "3", "partitions", "256");
  const store = createRedisStore({ url, prefix });
  await expect(store.start()).rejects.toMatchObject({
    code: "layout-mismatch",
    details: { stored: { version: 3, partitions: 256 }, own: { version: 4, partitions: 256 } },
  });
  await store.close();
});

it("refuses a lease if the layout changed under a running store, and writes it down again after a flush", async () => {
  const prefix = freshPrefix();
  const store = await startStore({ url, prefix });
  await askRedis(port, "DEL", `${prefix}:layout`);
  await bringUp(store, "gw-1");
  expect(await askRedis(port, "HGET", `${prefix}:layout`, "partitions")).toBe("256");
  await askRedis(port, "HSET", `${prefix}:layout`, "version", "5");
  expect(await outcomeOf(bringUp(store, "gw-2"))).toBe("layout-mismatch");
});

it("refuses writes that come after the lease expired by Redis's clock, whatever the server believes", async () => {
  const prefix = freshPrefix();
  const store = await startStore({ url, prefix });
  const server = await bringUp(store, "gw-1", 50);
  const kept = await connect(store, { ...server, lease: { ...server.lease, expiresAtMs: 2 ** 42 } }, "ann", ["lobby"]);
  await eventually(async () => expect((await store.servers.snapshot()).living).toEqual([]));
  const before = await keysUnder(url, `${prefix}:`);
  const { lease } = server;
  const late = { connectionId: server.ids.next(), userId: "bob" };
  const refused = [
    store.connections.put(lease, [{ ...late, connectedAt: 1, lastSeen: 1, rooms: [] }]),
    store.connections.remove(lease, [kept.connectionId]),
    store.upkeep.projection.renew(lease, { recordPartitions: { from: 0, to: 4 } }),
    store.users.add(lease, [late]),
    store.users.remove(lease, [kept], { graceMs: 0 }),
    store.upkeep.projection.renew(lease, { users: ["ann"] }),
    store.users.add(lease, [{ ...kept, metadata: "1" }], { onlyExisting: true }),
    store.rooms.join(lease, "lobby", [kept], { onlyExisting: true }),
    store.roomRecords.restore(lease, [{ room: "lobby", value: "{}", createdAt: 1, lastActivity: 1 }]),
    store.rooms.join(lease, "late", [late]),
    store.rooms.leave(lease, "lobby", [kept]),
    store.upkeep.projection.renew(lease, { rooms: ["lobby"] }),
  ];
  expect(await Promise.all(refused.map(outcomeOf))).toEqual(refused.map(() => "lease-lost"));
  expect(await keysUnder(url, `${prefix}:`)).toEqual(before);
});

it("drops a lease that has no record any more, instead of naming it as dead forever", async () => {
  const prefix = freshPrefix();
  const store = await startStore({ url, prefix, connectionTtlMs: 1_000 });
  const { lease } = await bringUp(store, "gw-1", 50);
  await askRedis(port, "ZADD", `${prefix}:{servers}`, 1_000, "gone.aaaa");
  await bringUp(store, "dead", 50);
  await eventually(async () => expect((await store.servers.snapshot()).living).toEqual([]));
  const renewer = await bringUp(store, "gw-2");
  const { expired } = await store.servers.renew(renewer.lease, { connections: 0, rooms: 0 });
  expect([...expired].sort()).toEqual(["dead", lease.serverId]);
});
