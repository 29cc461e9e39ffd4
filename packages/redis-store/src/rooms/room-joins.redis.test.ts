import { partitionOf, type RoomMember } from "@cm/protocol";
import { askRedis, eventually, freshPrefix, keysUnder } from "@cm/test-kit";
import { Redis } from "ioredis";
import { expect, inject, it, onTestFinished } from "vitest";
import { bringUp, outcomeOf, portOf, startStore, type TestServer } from "../redis-store.fixture.js";

const url = inject("redisUrl");

function memberOf({ ids }: TestServer, userId: string): RoomMember {
  return { connectionId: ids.next(), userId };
}

it.each(["redisUrl", "redisClusterUrl"] as const)(
  "200 joins of one turn on %s each add their member, also twice to the same room",
  async (kind) => {
    const store = await startStore({ url: inject(kind), prefix: freshPrefix() });
    const server = await bringUp(store, "gw-1");
    const rooms = Array.from({ length: 100 }, (_, i) => `room-${i}`);
    await Promise.all(
      [...rooms, ...rooms].map((room, i) => store.rooms.join(server.lease, room, [memberOf(server, `user-${i}`)])),
    );
    expect(await store.counts.of("rooms")).toBe(100);
    expect(await Promise.all(rooms.map((room) => store.rooms.count(room)))).toEqual(rooms.map(() => 2));
  },
);

it("a join of a room whose key holds foreign data fails alone among the joins of one turn", async () => {
  const prefix = freshPrefix();
  const store = await startStore({ url, prefix, onError: () => undefined });
  const server = await bringUp(store, "gw-1");
  await store.rooms.join(server.lease, "broken", [memberOf(server, "ann")]);
  const key = (await keysUnder(url, `${prefix}:`)).find((name) => name.endsWith(":rooms:broken")) ?? "";
  await askRedis(portOf(url), "SET", key, "foreign");
  const joins = ["first", "broken", "last"].map((room) =>
    store.rooms.join(server.lease, room, [memberOf(server, "bob")]),
  );
  expect(await Promise.all(joins.map(outcomeOf))).toEqual(["done", "store-corrupt", "done"]);
  await expect(joins[1]).rejects.toMatchObject({ message: expect.stringContaining(key) });
  expect(await store.rooms.count("last")).toBe(1);
});

it("a leave that follows a join in the same turn comes after it", async () => {
  const store = await startStore({ url, prefix: freshPrefix() });
  const server = await bringUp(store, "gw-1");
  const member = memberOf(server, "ann");
  await Promise.all([
    store.rooms.join(server.lease, "lobby", [member]),
    store.rooms.leave(server.lease, "lobby", [member]),
  ]);
  expect(await store.rooms.count("lobby")).toBe(0);
});

it("users of a partition whose key holds foreign data fail, and those of other partitions in the call do not", async () => {
  const prefix = freshPrefix();
  const store = await startStore({ url, prefix, onError: () => undefined });
  const server = await bringUp(store, "gw-1");
  await store.users.add(server.lease, [memberOf(server, "ann")]);
  const key = (await keysUnder(url, `${prefix}:`)).find((name) => name.endsWith(":connections")) ?? "";
  await askRedis(portOf(url), "SET", key, "foreign");
  const partition = partitionOf("ann", store.partitions);
  const others = Array.from({ length: 20 }, (_, i) => `user-${i}`).filter(
    (userId) => partitionOf(userId, store.partitions) !== partition,
  );
  const connections = ["ann", ...others].map((userId) => memberOf(server, userId));
  const add = store.users.add(server.lease, connections);
  await expect(add).rejects.toMatchObject({ code: "store-corrupt", message: expect.stringContaining(key) });
  expect((await store.users.states(others)).map((state) => state.connections.length)).toEqual(others.map(() => 1));
  const remove = store.users.remove(server.lease, connections, { graceMs: 0 });
  await expect(remove).rejects.toMatchObject({ code: "store-corrupt" });
  expect((await store.users.states(others)).map((state) => state.connections.length)).toEqual(others.map(() => 0));
});

it.each(["007", "0x10", " 5", "1e3", "-5", "nan", "inf", "x", ""])(
  "a join is announced in JSON, as the first change, if the mark of the room's changes is %o",
  async (mark) => {
    const prefix = freshPrefix();
    const store = await startStore({ url, prefix });
    const server = await bringUp(store, "gw-1");
    await store.rooms.join(server.lease, "lobby", [memberOf(server, "ann")]);
    await store.rooms.enableAnnouncements("lobby", 60_000);
    const key = (await keysUnder(url, `${prefix}:`)).find((name) => name.includes(":roster:lobby")) ?? "";
    await askRedis(portOf(url), "SET", key, mark);
    const subscriber = new Redis(url);
    onTestFinished(() => subscriber.disconnect());
    const heard: string[] = [];
    subscriber.on("message", (_, text) => heard.push(text));
    await subscriber.subscribe(key);
    const { connectionId } = memberOf(server, "bob");
    await store.rooms.join(server.lease, "lobby", [{ connectionId, userId: "bob" }]);
    await eventually(() => expect(heard).toHaveLength(1));
    expect(JSON.parse(heard[0] ?? "")).toMatchObject({ kind: "joined", user: "bob", previous: 0 });
  },
);
