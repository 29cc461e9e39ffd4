import { connectionIdsOf, type Page, type Store } from "@cm/protocol";
import { createRedisStore } from "@cm/redis-store";
import { eventually, type ProcessUsage } from "@cm/test-kit";
import { expect } from "vitest";
import type { CrowdMember } from "../clients/crowd-member.js";
import type { GatewayCluster } from "../processes/gateway-cluster.js";

/** The clients and their own view of their connections. */
export interface Population {
  /** All members that are or were connected. */
  readonly members: readonly CrowdMember[];
  /** The members that are connected. */
  readonly present: readonly CrowdMember[];
}

/**
 * Waits until everything that the store and the gateways report agrees with the crowd: servers, connection
 * records, rosters (read from the store, and through every gateway), users, and all counts.
 */
export async function expectProjected(cluster: GatewayCluster, crowd: Population, timeoutMs = 10_000): Promise<void> {
  await eventually(
    async () => {
      await expectCounts(cluster, crowd);
      await expectRosters(crowd);
      await withFreshStore(cluster, (store) => expectStored(store, cluster, crowd));
    },
    { timeoutMs, intervalMs: 100 },
  );
}

/**
 * Waits until the registry contains only the running gateways. A reaper unregisters a dead server in its last
 * step: if all gateways stop before that, the dead server's lease and record remain until another gateway
 * starts.
 */
export async function expectDeadUnregistered(cluster: GatewayCluster, timeoutMs = 10_000): Promise<void> {
  const running = cluster.gateways.filter((gateway) => gateway.running).map(({ serverId }) => serverId);
  await eventually(
    () =>
      withFreshStore(cluster, async (store) => {
        const { living, lapsed } = await store.servers.snapshot();
        expect([...living, ...lapsed].map(({ serverId }) => serverId).sort()).toEqual(running.sort());
      }),
    { timeoutMs, intervalMs: 100 },
  );
}

/**
 * Reads through a new store each time, so that the result does not depend on how an existing store survived the
 * fault.
 */
async function withFreshStore(cluster: GatewayCluster, read: (store: Store) => Promise<void>): Promise<void> {
  const store = createRedisStore({ url: cluster.redisUrl, prefix: cluster.prefix, onError: () => undefined });
  try {
    await store.start();
    await read(store);
  } finally {
    await store.close();
  }
}

const KEYS_NAMED_MAX = 12;

/** Waits until no key is left, except for the layout and the keys that `allowed` matches. */
export async function expectNoKeys(
  cluster: GatewayCluster,
  { allowed = [], timeoutMs = 10_000 }: { readonly allowed?: readonly RegExp[]; readonly timeoutMs?: number } = {},
): Promise<void> {
  const stays = (key: string): boolean =>
    key === `${cluster.prefix}:layout` || allowed.some((shape) => shape.test(key));
  await eventually(
    async () => {
      const left = (await cluster.keys()).filter((key) => !stays(key));
      if (left.length > 0) throw new Error(`${left.length} keys are left: ${left.slice(0, KEYS_NAMED_MAX).join(", ")}`);
    },
    { timeoutMs },
  );
}

/** Allowed increase of a process's usage over an earlier reading. */
export interface UsageGrowth {
  /**
   * Allowed growth of the resident memory, in bytes. Default 67,108,864, because the garbage collector decides
   * when memory is released.
   */
  readonly rssBytes?: number;
  /** Allowed growth of the number of open files. Default 2. */
  readonly openFiles?: number;
  /** Maximum time for releasing the resources, in milliseconds. Default 10,000. */
  readonly timeoutMs?: number;
}

/** Waits until a process uses about as much memory and as many open files as before. */
export async function expectUsageNear(
  process: { usage(): Promise<ProcessUsage> },
  before: ProcessUsage,
  { rssBytes = 67_108_864, openFiles = 2, timeoutMs = 10_000 }: UsageGrowth = {},
): Promise<void> {
  await eventually(
    async () => {
      const now = await process.usage();
      expect(now.openFiles).toBeLessThanOrEqual(before.openFiles + openFiles);
      expect(now.rssBytes).toBeLessThanOrEqual(before.rssBytes + rssBytes);
    },
    { timeoutMs },
  );
}

async function expectCounts(cluster: GatewayCluster, crowd: Population): Promise<void> {
  for (const [index, gateway] of cluster.gateways.entries()) {
    if (!gateway.running) continue;
    const here = crowd.present.filter((member) => member.gateway === index);
    expect(await cluster.stats(index)).toMatchObject({
      connections: here.length,
      rooms: new Set(here.map(({ room }) => room)).size,
      users: new Set(here.map(({ user }) => user)).size,
      pendingRemovals: 0,
      transport: { connections: here.length },
    });
  }
}

/** Checks the rosters that each gateway returns to its clients. */
async function expectRosters(crowd: Population): Promise<void> {
  const askers = new Map(crowd.present.map((member) => [`${member.gateway} ${member.room}`, member]));
  for (const { socket, room } of askers.values()) {
    const answer = await socket.do({ type: "members", room, limit: 1_000 });
    const listed = answer.type === "members" ? answer.members.map(({ connection }) => connection) : [];
    expect(listed.sort()).toEqual(idsOf(crowd.present.filter((member) => member.room === room)));
  }
}

async function expectStored(store: Store, cluster: GatewayCluster, crowd: Population): Promise<void> {
  const present = crowd.present;
  const running = cluster.gateways.filter((gateway) => gateway.running);
  expect((await store.servers.snapshot()).living.map(({ serverId }) => serverId).sort()).toEqual(
    running.map(({ serverId }) => serverId).sort(),
  );
  for (const { socket, user, room } of present) {
    expect(await store.connections.get(socket.id)).toMatchObject({ userId: user, rooms: [room] });
  }
  const gone = crowd.members.filter(({ socket }) => !socket.isOpen);
  for (const { socket } of gone) expect(await store.connections.get(socket.id)).toBeUndefined();
  const users = new Set(crowd.members.map(({ user }) => user));
  for (const user of users) {
    const expected = idsOf(present.filter((member) => member.user === user));
    expect((await connectionIdsOf(store.users, user)).sort()).toEqual(expected);
  }
  const rooms = new Set(crowd.members.map(({ room }) => room));
  for (const room of rooms) {
    const page: Page<{ readonly connectionId: string }> = await store.rooms.members(room, { limit: 1_000 });
    const expected = idsOf(present.filter((member) => member.room === room));
    expect(page.items.map(({ connectionId }) => connectionId).sort()).toEqual(expected);
    expect(await store.rooms.count(room)).toBe(expected.length);
  }
  expect(await store.counts.of("rooms")).toBe(new Set(present.map(({ room }) => room)).size);
  expect(await store.counts.of("users")).toBe(new Set(present.map(({ user }) => user)).size);
}

function idsOf(members: readonly CrowdMember[]): string[] {
  return members.map(({ socket }) => socket.id).sort();
}
