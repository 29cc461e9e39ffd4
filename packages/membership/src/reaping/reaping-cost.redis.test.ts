import { createConnectionIdSource, partitionOf } from "@cm/protocol";
import { createRedisStore, type RedisStore } from "@cm/redis-store";
import { eventually, freshPrefix } from "@cm/test-kit";
import { expect, inject, it, onTestFinished } from "vitest";
import { createMembership } from "../index.js";
import { scriptCalls, startRelay } from "../projection/call-relay.fixture.js";

async function startStore(url: string, prefix: string): Promise<RedisStore> {
  const store = createRedisStore({ url, prefix });
  onTestFinished(() => store.close());
  await store.start();
  return store;
}

it("cleaning up after a server costs calls for partitions, not for connections and rooms", async () => {
  const prefix = freshPrefix();
  const store = await startStore(inject("redisUrl"), prefix);
  // Names that all belong to one partition.
  const names = Array.from({ length: 100_000 }, (_, i) => `name-${i}`)
    .filter((name) => partitionOf(name, store.partitions) === 0)
    .slice(0, 40);
  const ids = createConnectionIdSource({ serverId: "dead", capacity: 1_000 });
  const { serverId, incarnation, partitionBits } = ids;
  const registration = { serverId, incarnation, partitionBits, host: "127.0.0.1", port: 1 };
  const lease = await store.servers.acquire(registration, 60_000);
  const records = Array.from({ length: 400 }, (_, i) => {
    const name = names[i % 40] ?? "";
    return { connectionId: ids.next(), userId: name, connectedAt: 1, lastSeen: 1, rooms: [name] };
  });
  await store.connections.put(lease, records);
  await store.users.add(lease, records);
  await Promise.all(
    names.map((name) =>
      store.rooms.join(
        lease,
        name,
        records.filter(({ userId }) => userId === name),
      ),
    ),
  );
  // The same incarnation acquires the lease again for 100 ms, so that it soon expires.
  await store.servers.acquire(registration, 100);

  const relay = await startRelay(inject("redisUrl"));
  const membership = createMembership({
    ids: createConnectionIdSource({ serverId: "b" }),
    store: await startStore(relay.url, prefix),
    interest: { enter: async () => undefined, exit: () => undefined },
    // No heartbeat falls among the counted calls.
    heartbeatIntervalMs: 600_000,
    leaseTtlMs: 1_200_000,
  });
  onTestFinished(() => membership.shutdown());
  await membership.start();
  await eventually(async () => {
    relay.take();
    expect(await membership.reap("dead")).toBe(400);
  });
  const calls = scriptCalls(relay.take());
  const callsOf = (key: string) => calls.filter((call) => call.includes(`${prefix}:{${key}`)).length;
  // 400 connections of users and 400 members: one call removes at most 250 of either.
  expect(callsOf("u.")).toBe(2);
  expect(callsOf("r.")).toBe(2);
  // Every record partition is read, and every record partition with records is cleared.
  expect(callsOf("dead}")).toBeLessThanOrEqual(32);
  expect(await store.counts.of("connections")).toBe(0);
  expect(await store.counts.of("rooms")).toBe(0);
});
