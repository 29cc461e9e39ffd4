import { askRedis, eventually, freshPrefix, keysUnder } from "@cm/test-kit";
import { expect, inject, it } from "vitest";
import { createRedisStore } from "./index.js";
import { bringUp, connect, outcomeOf, portOf, startStore } from "./redis-store.fixture.js";

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

it("writes the documented keys and types, each with a time to live but the layout and the leases", async () => {
  const prefix = freshPrefix();
  const store = await startStore({ url, prefix });
  const server = await bringUp(store, "gw-1");
  await connect(store, server, "ann", ["lobby"]);
  const found = new Map<string, string>();
  for (const key of await keysUnder(url, `${prefix}:`)) found.set(key, String(await askRedis(port, "TYPE", key)));
  const shape = [...found].map(
    ([key, type]) => `${key.slice(prefix.length).replace(/\{([ru])\.\w+\}/, "{$1.*}")} ${type}`,
  );
  expect(shape.sort()).toEqual([
    ":layout hash",
    ":{gw-1}:connections:0 hash",
    ":{r.*}:rooms set",
    ":{r.*}:rooms:lobby zset",
    ":{servers} zset",
    ":{servers}:gw-1 hash",
    ":{u.*}:connections zset",
    ":{u.*}:online string",
  ]);
  for (const key of found.keys()) {
    const ttlMs = Number(await askRedis(port, "PTTL", key));
    if (key.endsWith(":layout") || key.endsWith(":{servers}")) expect(ttlMs).toBe(-1);
    else expect(ttlMs).toBeGreaterThan(3_500_000);
  }
});

it("keeps the usual record in Redis's packed encoding", async () => {
  const prefix = freshPrefix();
  const store = await startStore({ url, prefix });
  const server = await bringUp(store, "gateway-01");
  for (let i = 0; i < 60; i++) await connect(store, server, `user-${1_000_000 + i}`, ["room-12345"]);
  const keys = await keysUnder(url, `${prefix}:`);
  const packed = keys.filter((key) => !key.endsWith(":rooms") && !key.endsWith(":online"));
  for (const key of packed) expect(await askRedis(port, "OBJECT", "ENCODING", key), key).toBe("listpack");
});

for (const [kind, target] of [
  ["a single Redis", url],
  ["a Cluster", inject("redisClusterUrl")],
] as const) {
  it(`leaves no key but the layout after churn of every kind of name, on ${kind}`, async () => {
    const prefix = freshPrefix();
    const store = await startStore({ url: target, prefix });
    const servers = [await bringUp(store, "gw-1"), await bringUp(store, "servers"), await bringUp(store, "r")];
    for (const server of servers) {
      const connections = await Promise.all(NAMES.map((userId) => connect(store, server, userId, NAMES)));
      await store.users.remove(server.lease, connections, { graceMs: 0 });
      for (const room of NAMES) await store.rooms.leave(server.lease, room, connections);
      await store.connections.remove(
        server.lease,
        connections.map(({ connectionId }) => connectionId),
      );
      await store.servers.release(server.lease);
    }
    expect(await keysUnder(target, `${prefix}:`)).toEqual([`${prefix}:layout`]);
  });
}

it("refuses a layout that another store wrote down, naming both", async () => {
  const prefix = freshPrefix();
  await startStore({ url, prefix, partitions: 16 });
  const other = createRedisStore({ url, prefix, partitions: 32 });
  await expect(other.start()).rejects.toMatchObject({
    code: "layout-mismatch",
    details: { stored: { version: 1, partitions: 16 }, own: { version: 1, partitions: 32 } },
  });
  expect(await outcomeOf(other.servers.list())).toBe("closed");
  await other.close();
});

it("refuses a lease where the layout changed under a running store, and writes it down anew after a flush", async () => {
  const prefix = freshPrefix();
  const store = await startStore({ url, prefix });
  await askRedis(port, "DEL", `${prefix}:layout`);
  await bringUp(store, "gw-1");
  expect(await askRedis(port, "HGET", `${prefix}:layout`, "partitions")).toBe("256");
  await askRedis(port, "HSET", `${prefix}:layout`, "version", "2");
  expect(await outcomeOf(bringUp(store, "gw-2"))).toBe("layout-mismatch");
});

it("refuses writes that come after the lease ran out by Redis's clock, whatever the server believes", async () => {
  const prefix = freshPrefix();
  const store = await startStore({ url, prefix });
  const server = await bringUp(store, "gw-1", 50);
  const kept = await connect(store, { ...server, lease: { ...server.lease, expiresAtMs: 2 ** 42 } }, "ann", ["lobby"]);
  await eventually(async () => expect(await store.servers.list()).toEqual([]));
  const before = await keysUnder(url, `${prefix}:`);
  const { lease } = server;
  const late = { connectionId: server.ids.next(), userId: "bob" };
  const refused = [
    store.connections.put(lease, [{ ...late, connectedAt: 1, lastSeen: 1, rooms: [] }]),
    store.connections.remove(lease, [kept.connectionId]),
    store.connections.renew(lease, 0, 4),
    store.users.add(lease, [late]),
    store.users.remove(lease, [kept], { graceMs: 0 }),
    store.users.renew(lease, ["ann"]),
    store.rooms.join(lease, "late", [late]),
    store.rooms.leave(lease, "lobby", [kept]),
    store.rooms.renew(lease, ["lobby"]),
  ];
  expect(await Promise.all(refused.map(outcomeOf))).toEqual(refused.map(() => "lease-lost"));
  expect(await keysUnder(url, `${prefix}:`)).toEqual(before);
});

it("drops a lease that has no record any more, instead of naming it as dead for ever", async () => {
  const prefix = freshPrefix();
  const store = await startStore({ url, prefix, connectionTtlMs: 1_000 });
  const { lease } = await bringUp(store, "gw-1", 50);
  await askRedis(port, "ZADD", `${prefix}:{servers}`, 1_000, "gone.aaaa");
  await bringUp(store, "dead", 50);
  await eventually(async () => expect(await store.servers.list()).toEqual([]));
  const renewer = await bringUp(store, "gw-2");
  const { expired } = await store.servers.renew(renewer.lease, { connections: 0, rooms: 0 });
  expect([...expired].sort()).toEqual(["dead", lease.serverId]);
});
