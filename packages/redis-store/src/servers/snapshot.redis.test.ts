import { askRedis, freshPrefix, keysLeftUnder, keysUnder } from "@cm/test-kit";
import { expect, inject, it } from "vitest";
import { bringUp, portOf, startStore } from "../redis-store.fixture.js";

const url = inject("redisUrl");
const port = portOf(url);

it("reports no departures after the data was lost, until all servers had time to acquire a lease again", async () => {
  const prefix = freshPrefix();
  const store = await startStore({ url, prefix });
  const ttlMs = 30_000;
  const { registration } = await bringUp(store, "gw-1", ttlMs);
  expect((await store.servers.snapshot()).knownForMs).toBeGreaterThanOrEqual(0);
  for (const key of await keysUnder(url, `${prefix}:`)) await askRedis(port, "DEL", key);
  // A new server does not know that there were other servers before.
  await bringUp(store, "gw-2", ttlMs);
  expect((await store.servers.snapshot()).knownForMs).toBeGreaterThanOrEqual(0);
  await store.servers.acquire(registration, ttlMs);
  const { knownForMs, living } = await store.servers.snapshot();
  expect(knownForMs).toBeLessThan(-ttlMs / 2);
  expect(living.map(({ serverId }) => serverId).sort()).toEqual(["gw-1", "gw-2"]);
});

it("knows nothing if only the departures were lost", async () => {
  const prefix = freshPrefix();
  const store = await startStore({ url, prefix });
  const { lease } = await bringUp(store, "gw-1");
  await bringUp(store, "gw-2");
  await askRedis(port, "DEL", `${prefix}:{servers}.recently-gone`);
  expect(await store.servers.snapshot()).toMatchObject({ recentlyGone: [], knownForMs: 0 });
  await store.servers.unregister(lease);
  const { recentlyGone, knownForMs } = await store.servers.snapshot();
  expect(recentlyGone).toMatchObject([{ serverId: "gw-1" }]);
  expect(knownForMs).toBeLessThan(10_000);
});

it("leaves nothing behind when the last server went", async () => {
  const prefix = freshPrefix();
  const store = await startStore({ url, prefix });
  for (const serverId of ["gw-1", "gw-2"]) {
    const { lease } = await bringUp(store, serverId);
    await store.servers.unregister(lease);
  }
  expect(await keysLeftUnder(url, `${prefix}:`)).toEqual([`${prefix}:layout`]);
});

it("contains data of servers that came since the last snapshot, and since the store was started", async () => {
  const prefix = freshPrefix();
  const [store, other] = [await startStore({ url, prefix }), await startStore({ url, prefix })];
  await bringUp(store, "gw-1");
  const told = async () =>
    (await store.servers.snapshot()).living.map(({ serverId, port: own }) => [serverId, own]).sort();
  const [first] = await told();
  expect(first?.[0]).toBe("gw-1");
  await bringUp(other, "gw-2");
  expect(await told()).toEqual([first, ["gw-2", first?.[1]]]);
});

it("distinguishes a server whose registration was lost from a dead one", async () => {
  const prefix = freshPrefix();
  const store = await startStore({ url, prefix });
  const { registration } = await bringUp(store, "gw-1");
  await bringUp(store, "gw-2");
  const record = `${prefix}:{servers}:gw-1`;
  expect(await keysUnder(url, `${prefix}:`)).toContain(record);
  await askRedis(port, "DEL", record);
  await askRedis(port, "ZADD", `${prefix}:{servers}`, "1", "no holder");
  const { serverId, incarnation } = registration;
  for (const foreign of [false, true]) {
    if (foreign) await askRedis(port, "SET", record, "foreign");
    const { living, lapsed } = await store.servers.snapshot();
    expect(living).toMatchObject([{ serverId: "gw-2" }]);
    expect(lapsed).toEqual([{ serverId, incarnation, isRegistered: false }]);
  }
  await askRedis(port, "DEL", record);
  expect((await store.servers.snapshot({ idsOnly: true })).living.map((server) => server.serverId).sort()).toEqual([
    "gw-1",
    "gw-2",
  ]);
  // The server's lease is valid: it registers again, and no other server may remove its data.
  expect(await store.upkeep.servers.claim({ serverId, incarnation }, "reaper", 1_000)).toBeUndefined();
});
