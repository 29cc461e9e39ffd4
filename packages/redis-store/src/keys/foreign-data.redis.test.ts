import type { CmError, FailureStage } from "@cm/protocol";
import { askRedis, eventually, freshPrefix, keysUnder } from "@cm/test-kit";
import { expect, inject, it } from "vitest";
import { createRedisStore, type RedisStore } from "../index.js";
import { bringUp, connect, outcomeOf, portOf, startStore } from "../redis-store.fixture.js";

const url = inject("redisUrl");
const port = portOf(url);

it("names a key of the wrong type, reports it once, and continues with others", async () => {
  const prefix = freshPrefix();
  const seen: { readonly error: CmError; readonly stage: FailureStage }[] = [];
  const store = await startStore({ url, prefix, onError: (error, { stage }) => seen.push({ error, stage }) });
  const server = await bringUp(store, "gw-1");
  await connect(store, server, "ann", ["broken", "whole"]);
  const key = (await keysUnder(url, `${prefix}:`)).find((name) => name.endsWith(":rooms:broken")) ?? "";
  await askRedis(port, "SET", key, "foreign");
  for (let i = 0; i < 3; i++) {
    const error = await store.rooms.members("broken", { limit: 10 }).catch((cause: CmError) => cause);
    expect(error).toMatchObject({ code: "store-corrupt", retryable: false, message: expect.stringContaining(key) });
    const join = store.rooms.join(server.lease, "broken", [{ connectionId: server.ids.next(), userId: "bob" }]);
    expect(await outcomeOf(join)).toBe("store-corrupt");
  }
  expect(await outcomeOf(connect(store, server, "bob", ["whole"]))).toBe("done");
  expect(await store.rooms.count("whole")).toBe(2);
  // At most one report is about a command that reads only this key, and one about the script that uses other keys
  // as well.
  expect(new Set(seen.map(({ stage }) => stage))).toEqual(new Set(["store"]));
  expect(seen.length).toBeLessThanOrEqual(2);
  expect(store.link.state).toBe("in-sync");
});

it("fails with store-corrupt if the key of the leases holds foreign data", async () => {
  const prefix = freshPrefix();
  const store = await startStore({ url, prefix });
  await askRedis(port, "SET", `${prefix}:{servers}`, "foreign");
  const error = await store.servers.snapshot().catch((cause: CmError) => cause);
  expect(error).toMatchObject({ code: "store-corrupt", message: expect.stringContaining(`${prefix}:{servers}`) });
  expect(await outcomeOf(bringUp(store, "gw-1"))).toBe("store-corrupt");
  await askRedis(port, "DEL", `${prefix}:{servers}`);
  await bringUp(store, "gw-1");
});

it("keeps servers apart from its own keys, whatever they are called", async () => {
  const prefix = freshPrefix();
  const store = await startStore({ url, prefix });
  const names = ["reaped", "servers", "layout", "rooms", "connections", "leases", "-", "_"];
  const servers = await Promise.all(names.map((name) => bringUp(store, name)));
  await unregister(store, "dead");
  for (const { lease } of servers) {
    expect(await outcomeOf(store.servers.renew(lease, { connections: 0, rooms: 0 }))).toBe("done");
  }
  expect((await store.servers.snapshot()).living.map(({ serverId }) => serverId).sort()).toEqual([...names].sort());
});

it("keeps leases working if the key of the reaped servers holds foreign data", async () => {
  const prefix = freshPrefix();
  const seen: CmError[] = [];
  const store = await startStore({ url, prefix, onError: (error) => seen.push(error) });
  const server = await bringUp(store, "gw-1");
  const key = `${prefix}:{servers}.reaped`;
  await askRedis(port, "SET", key, "foreign");
  for (let i = 0; i < 3; i++) {
    expect(await outcomeOf(store.servers.renew(server.lease, { connections: 0, rooms: 0 }))).toBe("done");
  }
  await unregister(store, "dead");
  expect(await outcomeOf(bringUp(store, "dead"))).toBe("done");
  expect(await askRedis(port, "GET", key)).toBe("foreign");
  expect(seen).toMatchObject([{ code: "store-corrupt", message: expect.stringContaining(key) }]);
});

it.each(["recently-gone", "orphans"])("keeps leases working if the key of the %s holds foreign data", async (name) => {
  const prefix = freshPrefix();
  const seen: CmError[] = [];
  const store = await startStore({ url, prefix, onError: (error) => seen.push(error) });
  const key = `${prefix}:{servers}.${name}`;
  await askRedis(port, "SET", key, "foreign");
  const server = await bringUp(store, "gw-1");
  await unregister(store, "dead");
  for (const done of [
    bringUp(store, "dead"),
    store.servers.acquire(server.registration, 60_000),
    store.servers.snapshot(),
  ]) {
    expect(await outcomeOf(done)).toBe("done");
  }
  const { lease } = await bringUp(store, "gw-2");
  expect(await outcomeOf(store.servers.unregister(lease))).toBe("done");
  expect(await askRedis(port, "GET", key)).toBe("foreign");
  if (name === "orphans") return;
  expect(await store.servers.snapshot()).toMatchObject({ recentlyGone: [], knownForMs: 0 });
  expect(seen).toMatchObject([{ code: "store-corrupt", message: expect.stringContaining(key) }]);
});

it.each([
  ["no hash", ["SET", "", "foreign"]],
  ["a hash without numbers", ["HSET", "", "version", "one", "partitions", "many"]],
  ["a hash with half of a layout", ["HSET", "", "version", "1"]],
  ["a hash of somebody else", ["HSET", "", "color", "blue", "version", "-3", "partitions", "0"]],
] as const)(
  "refuses to start if the layout's key holds %s, and leaves it as it was",
  async (_, [command, , ...rest]) => {
    const prefix = freshPrefix();
    const key = `${prefix}:layout`;
    await askRedis(port, command, key, ...rest);
    const before = await askRedis(port, "DUMP", key);
    const store = createRedisStore({ url, prefix, onError: () => undefined });
    await expect(store.start()).rejects.toMatchObject({
      code: "store-corrupt",
      message: expect.stringContaining(key),
      details: { keys: [key] },
    });
    expect(await askRedis(port, "DUMP", key)).toEqual(before);
    await store.close();
  },
);

/** Lets a server with this id die and be cleaned up. */
async function unregister(store: RedisStore, serverId: string): Promise<void> {
  await bringUp(store, serverId, 1);
  await eventually(async () => {
    const claim = await store.upkeep.servers.claim({ serverId }, "reaper", 60_000);
    if (claim === undefined) throw new Error("Its lease has not run out yet.");
    await store.servers.unregister(claim);
  });
}
