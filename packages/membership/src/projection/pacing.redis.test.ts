import { createConnectionIdSource, type Store } from "@cm/protocol";
import { createRedisStore } from "@cm/redis-store";
import { eventually, freshPrefix, startRedis } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";
import { createMembership, type MembershipStore } from "../index.js";
import { overridden } from "../membership.fixture.js";

const CONNECTIONS = 5_000;
const ROOMS = 1_000;

/** Maximum number of records, users' connections and members together that may be in flight to the store. */
const UNDER_WAY_MAX = 2_000;

/** Counts the written items whose write has not been acknowledged yet. */
class Traffic {
  underWay = 0;
  peak = 0;
  total = 0;

  async of<T>(count: number, write: () => Promise<T>): Promise<T> {
    this.underWay += count;
    this.total += count;
    this.peak = Math.max(this.peak, this.underWay);
    try {
      return await write();
    } finally {
      this.underWay -= count;
    }
  }

  /** Returns the parts of a store that connections are written to, with their writes counted. */
  on({ connections, users, rooms }: Store): Pick<MembershipStore, "connections" | "users" | "rooms"> {
    return {
      connections: overridden(connections, {
        put: (lease, records, options) => this.of(records.length, () => connections.put(lease, records, options)),
      }),
      users: overridden(users, {
        add: (lease, added, options) => this.of(added.length, () => users.add(lease, added, options)),
      }),
      rooms: overridden(rooms, {
        join: (lease, room, members, options) =>
          this.of(members.length, () => rooms.join(lease, room, members, options)),
      }),
    };
  }
}

it("projects 5,000 connections in parts, so that other calls do not wait for all of them", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const store = createRedisStore({ url: redis.url, prefix: freshPrefix() });
  onTestFinished(() => store.close());
  await store.start();
  const traffic = new Traffic();
  const { servers, partitions, upkeep, link } = store;
  const membership = createMembership({
    ids: createConnectionIdSource({ serverId: "a", capacity: CONNECTIONS }),
    store: { servers, partitions, upkeep, link, ...traffic.on(store) },
    interest: { enter: async () => undefined, exit: () => undefined },
    heartbeatIntervalMs: 300,
    leaseTtlMs: 20_000,
    // Long enough that no reconciliation runs, which would also repair missing entries.
    cleanupIntervalMs: 600_000,
    offlineGraceMs: 0,
  });
  onTestFinished(() => membership.shutdown());
  await membership.start();
  for (let from = 0; from < CONNECTIONS; from += 500) {
    const opening = Array.from({ length: 500 }, async (_, i) => {
      const connectionId = membership.nextConnectionId();
      await membership.open({ connectionId, userId: `user-${from + i}` });
      await membership.join(connectionId, `room-${(from + i) % ROOMS}`);
    });
    await Promise.all(opening);
  }
  expect(traffic.underWay).toBe(0);
  traffic.peak = 0;
  traffic.total = 0;

  await redis.ask("FLUSHALL");
  // Each connection has a record, an entry with its user and a membership of its room.
  await eventually(() => expect(traffic.total).toBeGreaterThanOrEqual(3 * CONNECTIONS));
  await eventually(() => expect(traffic.underWay).toBe(0));
  expect(await store.counts.of("users")).toBe(CONNECTIONS);
  expect(await store.counts.of("rooms")).toBe(ROOMS);
  await eventually(() => expect(membership.stats().reprojections).toBe(1));
  expect(traffic.peak).toBeLessThanOrEqual(UNDER_WAY_MAX);
});
