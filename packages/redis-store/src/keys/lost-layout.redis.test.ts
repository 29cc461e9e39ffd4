import type { CmError } from "@cm/protocol";
import { askRedis, eventually, freshPrefix } from "@cm/test-kit";
import { expect, inject, it } from "vitest";
import { createRedisStore } from "../index.js";
import { bringUp, portOf, startStore } from "../redis-store.fixture.js";

const COUNTERS = { connections: 0, rooms: 0 };

it.each(["redisUrl", "redisClusterUrl"] as const)(
  "writes the layout down again that was lost under a running server (%s)",
  async (provided) => {
    const url = inject(provided);
    const prefix = freshPrefix();
    const store = await startStore({ url, prefix });
    const { lease } = await bringUp(store, "gw-1");
    const port = await portOfKey(url, `${prefix}:layout`);
    const layout = await askRedis(port, "HGETALL", `${prefix}:layout`);
    await askRedis(port, "DEL", `${prefix}:layout`);
    expect((await store.servers.renew(lease, COUNTERS)).fault).toBeUndefined();
    await eventually(async () => expect(await askRedis(port, "HGETALL", `${prefix}:layout`)).toEqual(layout));
    const other = createRedisStore({ url, prefix, partitions: 64, onError: () => undefined });
    await expect(other.start()).rejects.toMatchObject({ code: "layout-mismatch" });
    await other.close();
  },
);

it("renews leases under another layout, and says that there is one until it is gone", async () => {
  const url = inject("redisUrl");
  const port = portOf(url);
  const prefix = freshPrefix();
  const store = await startStore({ url, prefix });
  const { lease } = await bringUp(store, "gw-1");
  await askRedis(port, "HSET", `${prefix}:layout`, "partitions", "64");
  await eventually(async () => {
    const renewal = await store.servers.renew(lease, COUNTERS);
    expect(renewal.fault).toMatchObject({ code: "layout-mismatch", details: { stored: { partitions: 64 } } });
    expect(renewal.lease.expiresAtMs).toBeGreaterThan(lease.expiresAtMs);
  });
  await askRedis(port, "DEL", `${prefix}:layout`);
  await eventually(async () => expect((await store.servers.renew(lease, COUNTERS)).fault).toBeUndefined());
});

it("renews leases if the layout key holds foreign data, and reports it once", async () => {
  const url = inject("redisUrl");
  const prefix = freshPrefix();
  const seen: CmError[] = [];
  const store = await startStore({ url, prefix, onError: (error) => seen.push(error) });
  const { lease } = await bringUp(store, "gw-1");
  await askRedis(portOf(url), "DEL", `${prefix}:layout`);
  await askRedis(portOf(url), "SET", `${prefix}:layout`, "foreign");
  for (let i = 0; i < 3; i++) await store.servers.renew(lease, COUNTERS);
  await eventually(() => expect(seen.length).toBeGreaterThan(0));
  for (let i = 0; i < 3; i++) await store.servers.renew(lease, COUNTERS);
  expect(seen).toMatchObject([{ code: "store-corrupt", message: expect.stringContaining(`${prefix}:layout`) }]);
  expect(await askRedis(portOf(url), "GET", `${prefix}:layout`)).toBe("foreign");
});

/** The port of the node that has the key. */
async function portOfKey(url: string, key: string): Promise<number> {
  const reply = await askRedis(portOf(url), "EXISTS", key).catch((error: unknown) => String(error));
  return typeof reply === "string" ? portOf(reply) : portOf(url);
}
