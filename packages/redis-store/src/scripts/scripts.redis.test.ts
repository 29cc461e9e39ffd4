import { connectionIdsOf, partitionOf } from "@cm/protocol";
import { askRedis, freshPrefix, RespConnection, type RespReply, startFaultProxy, startRedis } from "@cm/test-kit";
import { expect, inject, it, onTestFinished } from "vitest";
import type { RedisStore } from "../index.js";
import { bringUp, connect, outcomeOf, portOf, startStore, type TestServer } from "../redis-store.fixture.js";

it("continues after SCRIPT FLUSH", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const store = await startStore({ url: redis.url });
  const server = await bringUp(store, "gw-1");
  await askRedis(redis.port, "SCRIPT", "FLUSH");
  await connect(store, server, "ann", ["lobby"]);
  await askRedis(redis.port, "SCRIPT", "FLUSH");
  expect(await store.rooms.count("lobby")).toBe(1);
  expect(await connectionIdsOf(store.users, "ann")).toHaveLength(1);
  await askRedis(redis.port, "SCRIPT", "FLUSH");
  expect(await store.users.states(["ann"])).toMatchObject([{ connections: [{ userId: "ann" }] }]);
  expect((await store.users.online({ limit: 10 })).items).toMatchObject([{ userId: "ann" }]);
});

it("waits no longer than commandTimeoutMs in all, also if Redis must be sent the script's text", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const proxy = await startFaultProxy(redis.port);
  onTestFinished(() => proxy.close());
  const store = await startStore({ url: `redis://127.0.0.1:${proxy.port}`, commandTimeoutMs: 1_000 });
  const server = await bringUp(store, "gw-1");
  const calls: readonly (() => Promise<unknown>)[] = [
    () => connect(store, server, "ann", ["lobby"]),
    () => store.servers.renew(server.lease, { connections: 0, rooms: 0 }),
    () => Promise.resolve(store.bus.history?.append("lobby", MESSAGE)),
    () => Promise.resolve(store.bus.history?.since("lobby", { epoch: 1, offset: 0 }, 100)),
  ];
  for (const call of calls) await call();
  await askRedis(redis.port, "SCRIPT", "FLUSH");
  // One round trip takes 700 ms: the reply that the script is unknown comes in time, but the next one is too late.
  await proxy.set({ kind: "delay", toServerMs: 350, toClientMs: 350 });
  const outcomes = calls.map(async (call) => {
    const startedAt = performance.now();
    const outcome = await outcomeOf(call());
    return [outcome, performance.now() - startedAt < 1_300];
  });
  expect(await Promise.all(outcomes)).toEqual(calls.map(() => ["timeout", true]));
});

it("works through a storm of calls while the scripts are flushed again and again", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const store = await startStore({ url: redis.url });
  const server = await bringUp(store, "gw-1");
  const joins = Array.from({ length: 200 }, async (_, i) => {
    if (i % 20 === 0) await askRedis(redis.port, "SCRIPT", "FLUSH");
    await connect(store, server, `user-${i}`, ["lobby"]);
  });
  await Promise.all(joins);
  expect(await store.rooms.count("lobby")).toBe(200);
});

const LOST = { room: "game", value: "{}", createdAt: 1, lastActivity: 1 };

const MESSAGE = {
  before: Buffer.from("{"),
  after: Buffer.from('"a":1}'),
  sender: { origin: "gw-1", epoch: 1, sequence: 1 },
};

/**
 * Reads the held rooms, and joins a room if there is none. The test counts the commands of a later call only, when
 * the room exists.
 */
async function holdRoom(store: RedisStore, { lease, ids }: TestServer): Promise<void> {
  const partition = partitionOf("lobby", store.partitions);
  if ((await store.upkeep.projection.held(lease, "rooms", partition)).length === 0)
    await store.rooms.join(lease, "lobby", records(ids, 3));
}

/** The commands that each operation sends, once scripts are known and the living servers have been read. */
const COST: readonly (readonly [
  name: string,
  commands: number,
  run: (s: RedisStore, g: TestServer) => Promise<unknown>,
])[] = [
  [
    "renew of a lease and look at the layout",
    2,
    (store, { lease }) => store.servers.renew(lease, { connections: 1, rooms: 1 }),
  ],
  ["snapshot of the only server", 2, (store) => store.servers.snapshot()],
  ["ids of all servers", 1, (store) => store.servers.snapshot({ idsOnly: true })],
  [
    "renewal of record partitions, rooms and users",
    3,
    (store, { lease }) =>
      store.upkeep.projection.renew(lease, { recordPartitions: { from: 0, to: 4 }, rooms: ["lobby"], users: ["ann"] }),
  ],
  ["put of 400 records", 1, (store, { lease, ids }) => store.connections.put(lease, records(ids, 400))],
  [
    "remove of 400 records",
    1,
    (store, { lease, ids }) =>
      store.connections.remove(
        lease,
        records(ids, 400).map((r) => r.connectionId),
      ),
  ],
  // A call writes at most 500 records and rooms, so that Redis serves others in between.
  [
    "put of 20 records with 100 rooms each",
    5,
    (store, { lease, ids }) =>
      store.connections.put(
        lease,
        records(ids, 20).map((record) => ({ ...record, rooms: roomNames(100) })),
      ),
  ],
  [
    "removing 700 rooms from a record",
    2,
    (store, { lease, ids }) => store.connections.remove(lease, [ids.next()], { rooms: roomNames(700) }),
  ],
  ["get of a record", 2, (store, { ids }) => store.connections.get(ids.next())],
  ["join of 400 members", 1, (store, { lease, ids }) => store.rooms.join(lease, "lobby", records(ids, 400))],
  ["leave", 1, (store, { lease, ids }) => store.rooms.leave(lease, "lobby", records(ids, 1))],
  ["a page of members", 2, (store) => store.rooms.members("lobby", { limit: 100 })],
  ["count of a room", 2, (store) => store.rooms.count("lobby")],
  ["connections of a user", 2, (store) => connectionIdsOf(store.users, "ann")],
  [
    "metadata of 200 connections",
    1,
    (store, { lease, ids }) => store.users.add(lease, records(ids, 200), { onlyExisting: true }),
  ],
  ["add of 200 connections", 1, (store, { lease, ids }) => store.users.add(lease, records(ids, 200))],
  ["remove", 1, (store, { lease, ids }) => store.users.remove(lease, records(ids, 1), { graceMs: 5_000 })],
  ["ending of a partition's grace periods", 1, (store) => store.upkeep.projection.endGracePeriods([3])],
  ["state of a user", 2, (store) => store.users.states(["ann", "ann"])],
  [
    "a page of a partition's users",
    2,
    (store) => store.users.online({ limit: 100 }, partitionOf("ann", store.partitions)),
  ],
  [
    "connections held in a partition",
    1,
    (store, { lease }) => store.upkeep.projection.held(lease, "users", partitionOf("ann", store.partitions)),
  ],
  ["records held in a record partition", 1, (store, { lease }) => store.upkeep.projection.held(lease, "records", 0)],
  ["rooms held in a partition", 2, holdRoom],
  ["announcing a room", 1, (store) => store.rooms.enableAnnouncements("lobby", 60_000)],
  [
    "new metadata in a room",
    1,
    (store, { lease, ids }) => store.rooms.join(lease, "lobby", records(ids, 400), { onlyExisting: true }),
  ],
  [
    "join of a room with a record",
    1,
    (store, { lease, ids }) => store.rooms.join(lease, "game", records(ids, 1), { record: "{}" }),
  ],
  ["get of a record of a room", 1, (store) => store.roomRecords.get("game")],
  ["touch of a record of a room", 1, (store) => store.roomRecords.get("game", { touch: true })],
  ["compare-and-set", 1, (store) => store.roomRecords.compareAndSet("game", 1, "{}").catch(() => undefined)],
  ["restoring records of rooms", 1, (store, { lease }) => store.roomRecords.restore(lease, [LOST, LOST])],
  ["storing a message", 1, (store) => Promise.resolve(store.bus.history?.append("lobby", MESSAGE))],
  ["reading a history", 1, (store) => Promise.resolve(store.bus.history?.since("lobby", { epoch: 1, offset: 0 }, 100))],
  ["publish", 1, (store) => store.bus.publish({ kind: "room", name: "lobby" }, Buffer.from("x"))],
];

for (const [name, commands, run] of COST) {
  it(`sends no more than it must for ${name}: ${commands} at once`, async () => {
    const port = portOf(inject("redisUrl"));
    const prefix = freshPrefix();
    const store = await startStore({ url: inject("redisUrl"), prefix });
    const server = await bringUp(store, "gw-1");
    await run(store, server);
    await run(store, server);
    const monitor = await RespConnection.open(port);
    onTestFinished(() => monitor.close());
    const seen: RespReply[] = [];
    await monitor.command("MONITOR");
    monitor.onUnasked((reply) => seen.push(reply));
    await run(store, server);
    await askRedis(port, "ECHO", `${prefix} end`);
    await expect.poll(() => seen.some((line) => String(line).includes(`${prefix} end`)), { timeout: 5_000 }).toBe(true);
    const own = seen.map(String).filter((line) => line.includes(`${prefix}:`) && !line.includes(" lua]"));
    expect(own).toHaveLength(commands);
  });
}

function roomNames(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `room-${i}`);
}

function records(ids: TestServer["ids"], count: number) {
  return Array.from({ length: count }, () => ({
    connectionId: ids.next(),
    userId: "ann",
    connectedAt: 1,
    lastSeen: 1,
    rooms: [],
  }));
}
