import { setImmediate } from "node:timers/promises";
import type { HarnessFactory } from "@cm/contract-tests/store";
import {
  connectionIdsOf,
  createConnectionIdSource,
  decodeUtf8,
  type Lease,
  type PresenceChange,
  parsePresenceChange,
  parseRosterChange,
  partitionOf,
  type RosterChange,
  type Store,
} from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { describe, expect, it, onTestFinished } from "vitest";
import { createMembership, type Membership, type MembershipOptions, type MembershipStore } from "../index.js";

/** A membership with its store and its lease, so that a test can falsify the store. */
export interface CheckedServer {
  readonly store: Store;
  readonly membership: Membership;
  /** The lease that the membership holds, for writes that bypass the membership. */
  lease(): Lease;
  connect(userId: string, metadata?: unknown): Promise<string>;
}

/**
 * Starts a membership that compares everything at each heartbeat, unless `options` say otherwise; `parts`
 * replace parts of the store.
 */
export async function startChecked(
  store: Store,
  options: Partial<MembershipOptions> = {},
  serverId = "a",
  parts: Partial<Omit<MembershipStore, "servers" | "link">> = {},
): Promise<CheckedServer> {
  let lease: Lease | undefined;
  const servers: Store["servers"] = {
    ...store.servers,
    acquire: async (...args) => {
      lease = await store.servers.acquire(...args);
      return lease;
    },
    renew: async (...args) => {
      const renewal = await store.servers.renew(...args);
      lease = renewal.lease;
      return renewal;
    },
  };
  const { connections, rooms, users, partitions, upkeep, link } = store;
  const membership = createMembership({
    ids: createConnectionIdSource({ serverId, capacity: 256 }),
    store: { servers, connections, rooms, users, partitions, upkeep, link, ...parts },
    interest: { enter: async () => undefined, exit: () => undefined },
    heartbeatIntervalMs: 100,
    cleanupIntervalMs: 100,
    leaseTtlMs: 20_000,
    offlineGraceMs: 0,
    ...options,
  });
  onTestFinished(() => membership.shutdown());
  await membership.start();
  return {
    store,
    membership,
    lease() {
      if (lease === undefined) throw new Error("There is no lease.");
      return lease;
    },
    async connect(userId, metadata) {
      const connectionId = membership.nextConnectionId();
      await membership.open({ connectionId, userId, metadata });
      return connectionId;
    },
  };
}

/** Collects all changes announced for these users and rooms from now on. */
export async function hearAll(
  store: Store,
  users: readonly string[],
  rooms: readonly string[],
): Promise<{ readonly presence: PresenceChange[]; readonly rosters: (RosterChange & { readonly room: string })[] }> {
  const presence: PresenceChange[] = [];
  const rosters: (RosterChange & { readonly room: string })[] = [];
  for (const partition of new Set(users.map((userId) => partitionOf(userId, store.partitions)))) {
    await store.bus.subscribe({ kind: "presence", name: String(partition) }, (bytes) => {
      const parsed = parsePresenceChange(decodeUtf8(bytes) ?? "");
      if (parsed.ok) presence.push(parsed.value);
    });
  }
  for (const room of rooms) {
    await store.rooms.enableAnnouncements(room, 120_000);
    await store.bus.subscribe({ kind: "roster", name: room }, (bytes) => {
      const parsed = parseRosterChange(decodeUtf8(bytes) ?? "");
      if (parsed.ok) rosters.push({ ...parsed.value, room });
    });
  }
  return { presence, rosters };
}

/** Contract tests for a membership's guarantees about a store that has drifted from its local state. */
export function describeOwnerReconciler(name: string, createHarness: HarnessFactory): void {
  function promise(sentence: string, body: (server: CheckedServer) => Promise<void>): void {
    it(sentence, async () => {
      const harness = await createHarness();
      onTestFinished(() => harness.close());
      await body(await startChecked(harness.store));
    });
  }

  const membersOf = async ({ store }: CheckedServer, room: string): Promise<string[]> =>
    (await store.rooms.members(room, { limit: 100 })).items.map(({ connectionId }) => connectionId).sort();

  describe(`an owner reconciling ${name}`, () => {
    promise("entries that the store lost are written again without an announcement", async (server) => {
      const { store, membership, lease } = server;
      const [ann, bob] = [await server.connect("ann", { device: "phone" }), await server.connect("bob")];
      for (const id of [ann, bob]) await membership.join(id, "lobby");
      const record = await store.connections.get(ann);
      // Remove the entries before any listener subscribes, as if a replica that never received them had taken over.
      await store.rooms.leave(lease(), "lobby", [{ connectionId: ann, userId: "ann" }]);
      await store.users.remove(lease(), [{ connectionId: ann, userId: "ann" }], { graceMs: 0 });
      await store.connections.remove(lease(), [ann]);
      const { presence, rosters } = await hearAll(store, ["ann", "bob"], ["lobby"]);
      await eventually(async () => expect(await membersOf(server, "lobby")).toEqual([ann, bob].sort()));
      await eventually(async () => expect(await store.connections.get(ann)).toEqual(record));
      await eventually(async () =>
        expect(await store.users.states(["ann"])).toMatchObject([
          { connections: [{ connectionId: ann, metadata: '{"device":"phone"}' }] },
        ]),
      );
      const { drift } = membership.stats();
      expect(drift.missing).toEqual({ record: 1, member: 1, user: 1 });
      // This change is announced after any change that the repair might have announced.
      await membership.leave(bob, "lobby");
      await eventually(() =>
        expect(rosters.map(({ kind, connectionId }) => [kind, connectionId])).toEqual([["left", bob]]),
      );
      expect(presence.filter(({ kind }) => kind !== "closed")).toEqual([]);
    });

    promise("takes out what the store holds of connections and places that there are not", async (server) => {
      const { store, membership, lease } = server;
      const ann = await server.connect("ann");
      await membership.join(ann, "lobby");
      const ghost = membership.nextConnectionId();
      await store.rooms.join(lease(), "lobby", [{ connectionId: ghost, userId: "ghost" }]);
      await store.rooms.join(lease(), "elsewhere", [{ connectionId: ann, userId: "ann" }]);
      await store.users.add(lease(), [{ connectionId: ghost, userId: "ghost" }]);
      await store.connections.put(lease(), [
        { connectionId: ghost, userId: "ghost", connectedAt: 1, lastSeen: 1, rooms: ["lobby", "hidden"] },
      ]);
      await store.rooms.join(lease(), "hidden", [{ connectionId: ghost, userId: "ghost" }]);
      await eventually(async () => expect(await membersOf(server, "lobby")).toEqual([ann]));
      await eventually(async () => expect(await connectionIdsOf(store.users, "ghost")).toEqual([]));
      await eventually(async () => expect(await store.connections.get(ghost)).toBeUndefined());
      await eventually(async () => expect(await store.counts.of("rooms")).toBe(1));
      expect(await store.connections.get(ann)).toMatchObject({ rooms: ["lobby"] });
    });

    promise("wrong metadata and records are corrected", async (server) => {
      const { store, membership, lease } = server;
      const ann = await server.connect("ann", 1);
      await membership.join(ann, "lobby");
      const record = await store.connections.get(ann);
      if (record === undefined) throw new Error("There is no record.");
      await store.users.add(lease(), [{ connectionId: ann, userId: "ann", metadata: "2" }], { onlyExisting: true });
      await store.connections.put(lease(), [{ ...record, rooms: [] }]);
      await eventually(async () =>
        expect(await store.users.states(["ann"])).toMatchObject([{ connections: [{ metadata: "1" }] }]),
      );
      await eventually(async () => expect(await store.connections.get(ann)).toEqual(record));
    });

    promise("reconciling reports no drift while connections come and go", async (server) => {
      const { membership } = server;
      const users = Array.from({ length: 8 }, (_, i) => `user-${i}`);
      const until = performance.now() + 1_000;
      await Promise.all(
        users.map(async (userId, i) => {
          while (performance.now() < until) {
            const id = await server.connect(userId, { i });
            await Promise.all([membership.join(id, "one"), membership.join(id, `room-${i}`)]);
            await membership.update(id, { again: i });
            await membership.leave(id, "one");
            await membership.close(id);
            // With a memory store, promises alone would never let the heartbeat timer run.
            await setImmediate();
          }
        }),
      );
      await eventually(() => expect(membership.stats().pendingRemovals).toBe(0));
      const { reconciledPartitions, ...repaired } = membership.stats().drift;
      expect(reconciledPartitions).toBeGreaterThan(0);
      const none = { record: 0, member: 0, user: 0 };
      expect(repaired).toEqual({ missing: none, stray: none, wrong: none });
    });
  });
}
