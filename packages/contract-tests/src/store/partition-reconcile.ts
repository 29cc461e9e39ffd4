import {
  type PartitionReconciliation,
  partitionOf,
  type ReapClaim,
  type ServerIncarnation,
  type Store,
} from "@cm/protocol";
import { describe, expect } from "vitest";
import { byId, membersOf } from "./rooms/sample-members.js";
import type { HarnessFactory, StoreHarness } from "./store-harness.js";
import {
  bringUp,
  claimDead,
  LONG_MS,
  letDie,
  outcomeOf,
  passUntil,
  SHORT_MS,
  scenarios,
  type TestServer,
  times,
} from "./store-scenarios.js";
import { byConnection, connectionsOf } from "./users/sample-users.js";

/** Contract tests for `reconcile`, and for the removal of an orphan's leftovers. */
export function describePartitionReconcile(name: string, createHarness: HarnessFactory): void {
  const it = scenarios(createHarness);

  describe(`${name}: going over partitions`, () => {
    it("names each owner of members or connections once, and repairs nothing that is right", async ({
      store,
      peer,
    }) => {
      // One server id is a prefix of the other.
      const alpha = await bringUp(store, "node-1");
      const servers = [alpha, await bringUp(store, "node-11")];
      expect(await reconcileAll(store)).toEqual({ repaired: 0, rooms: [], users: [] });
      for (const server of servers) {
        await store.rooms.join(server.lease, "lobby", membersOf(server, 3), { record: "{}" });
        await store.rooms.join(server.lease, "large", membersOf(server, 1_200));
        await store.users.add(server.lease, connectionsOf(server, "ann", 1_200));
        await store.users.add(server.lease, connectionsOf(server, `user of ${server.lease.serverId}`, 1));
      }
      const leaving = connectionsOf(servers[0] as TestServer, "leaving", 1);
      await store.users.add(alpha.lease, leaving);
      await store.users.remove(alpha.lease, leaving, { graceMs: LONG_MS });
      const names = servers.map(({ lease }) => nameOf(lease)).sort();
      expect(await reconcileAll(await peer())).toEqual({ repaired: 0, rooms: names, users: names });
      expect([await store.counts.of("users"), await store.counts.of("rooms")]).toEqual([4, 2]);
    });

    it("distinguishes live, dead and unknown owners", async (harness) => {
      const { servers, upkeep } = harness.store;
      const [alpha, beta] = [await bringUp(harness.store, "alpha"), await bringUp(harness.store, "beta")];
      const dead = await bringUp(harness.store, "dead");
      await letDie(harness, dead);
      const gone = await bringUp(harness.store, "gone");
      await servers.unregister(gone.lease);
      const { living, lapsed } = await servers.snapshot();
      expect(living.map(nameOf).sort()).toEqual([alpha, beta].map(({ lease }) => nameOf(lease)).sort());
      expect(lapsed.map(nameOf)).toEqual([nameOf(dead.lease)]);
      expect(lapsed.map(({ isRegistered }) => isRegistered)).toEqual([true]);
      const ids = await servers.snapshot({ idsOnly: true });
      expect(ids.living.map(nameOf).sort()).toEqual(living.map(nameOf).sort());
      expect(ids.lapsed).toEqual(lapsed);
      const former = { ...alpha.registration, incarnation: "0000" };
      const known = new Set([...living, ...lapsed].map(nameOf));
      for (const { registration } of [alpha, beta, dead]) expect(known).toContain(nameOf(registration));
      for (const unknown of [gone.registration, former]) {
        expect(known).not.toContain(nameOf(unknown));
        const claim = await upkeep.servers.claim(unknown, "reaper", LONG_MS);
        expect(claim).toMatchObject({ incarnation: unknown.incarnation, isOrphan: true });
      }
      for (const { registration } of [alpha, dead]) {
        expect(await upkeep.servers.claim(registration, "reaper", LONG_MS)).toBeUndefined();
      }
    });

    it("lets any server remove the entries of an unknown holder, which are announced once", async (harness) => {
      const { store } = harness;
      const [alpha, dead] = [await bringUp(store, "alpha"), await bringUp(store, "dead")];
      const [members, connections] = [membersOf(dead, 600), connectionsOf(dead, "ann", 600)];
      await store.rooms.join(dead.lease, "lobby", members, { record: "{}" });
      await store.rooms.join(dead.lease, "shared", members.slice(0, 1));
      await store.users.add(dead.lease, connections);
      const own = membersOf(alpha, 1);
      await store.rooms.join(alpha.lease, "shared", own);
      await unregisterAlone(harness, dead);
      expect([await store.counts.of("rooms"), await store.counts.of("users")]).toEqual([2, 1]);
      const [first, second] = [await claimOrphan(store, dead), await claimOrphan(await harness.peer(), dead)];
      const rooms = await store.upkeep.projection.held(first, "rooms", partitionOf("lobby", store.partitions));
      expect(byId(rooms.find(({ room }) => room === "lobby")?.members ?? [])).toEqual(byId(members));
      expect(
        byConnection(await store.upkeep.projection.held(second, "users", partitionOf("ann", store.partitions))),
      ).toEqual(byConnection(connections));
      const evicted = await Promise.all(
        [first, second].map((claim) => store.upkeep.projection.evict(claim, { room: "lobby" })),
      );
      expect(byId(evicted.flat())).toEqual(byId(members));
      await Promise.all([first, second].map((claim) => store.upkeep.projection.evict(claim, { users: connections })));
      expect(await store.upkeep.projection.evict(second, { room: "shared" })).toEqual(members.slice(0, 1));
      expect([await store.counts.of("rooms"), await store.counts.of("users")]).toEqual([1, 0]);
      expect((await store.rooms.members("shared", { limit: 10 })).items).toEqual(own);
      expect(await store.counts.of("connections")).toBe(0);
      expect(await store.counts.of("roomRecords")).toBe(0);
    });

    it("lets a holder that comes back wait, and reports that it was reaped", async (harness) => {
      const { store } = harness;
      const dead = await bringUp(store, "dead");
      await store.rooms.join(dead.lease, "lobby", membersOf(dead, 1));
      await store.servers.unregister(dead.lease);
      const claim = await claimOrphan(store, dead, SHORT_MS);
      expect(claim).toMatchObject({ serverId: "dead", incarnation: dead.registration.incarnation, isOrphan: true });
      await claimOrphan(store, dead, 4 * SHORT_MS);
      const refused = await store.servers.acquire(dead.registration, LONG_MS).catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: "server-id-expired" });
      // Another incarnation under the same server id is not affected by the leftovers.
      await store.servers.unregister(
        await store.servers.acquire({ ...dead.registration, incarnation: "0000" }, LONG_MS),
      );
      await passUntil(
        harness,
        async () => (await outcomeOf(store.servers.acquire(dead.registration, LONG_MS))) === "done",
      );
      const again = await store.servers.acquire(dead.registration, LONG_MS);
      expect(again.wasReaped).toBe(false);
      // The earlier claim is no longer valid.
      expect(await store.upkeep.projection.evict(claim, { room: "lobby" })).toEqual([]);
    });

    it("marks the lease of a holder that comes back as reaped, once", async (harness) => {
      const { servers, upkeep } = harness.store;
      const dead = await bringUp(harness.store, "dead");
      await servers.unregister(dead.lease);
      await upkeep.servers.claim(dead.registration, "reaper", SHORT_MS / 4);
      const told: boolean[] = [];
      await passUntil(harness, async () => {
        const lease = await servers.acquire(dead.registration, LONG_MS).catch(() => undefined);
        if (lease !== undefined) told.push(lease.wasReaped);
        return told.length === 2;
      });
      expect(told).toEqual([true, false]);
    });
  });
}

/** Unregisters a dead server without removing its data. */
async function unregisterAlone(harness: StoreHarness, server: TestServer): Promise<void> {
  await letDie(harness, server);
  await harness.store.servers.unregister(await claimDead(harness.store, server.registration.serverId));
}

async function claimOrphan({ upkeep }: Store, { registration }: TestServer, claimMs = LONG_MS): Promise<ReapClaim> {
  const claim = await upkeep.servers.claim(registration, "reaper", claimMs);
  if (claim === undefined) throw new Error(`Server ${registration.serverId} is known.`);
  return claim;
}

/** Reconciles all partitions. Returns the number of repairs, and the owners found among rooms and among users. */
async function reconcileAll({ partitions, upkeep }: Store) {
  const [ofRooms, ofUsers] = [
    await Promise.all(times(partitions, (partition) => upkeep.projection.reconcile("rooms", partition))),
    await Promise.all(times(partitions, (partition) => upkeep.projection.reconcile("users", partition))),
  ];
  const names = (outcomes: readonly PartitionReconciliation[]) => [
    ...new Set(
      outcomes.flatMap(({ holders }) => {
        expect(new Set(holders.map(nameOf)).size).toBe(holders.length);
        return holders.map(nameOf);
      }),
    ),
  ];
  const repaired = [...ofRooms, ...ofUsers].reduce((sum, { repaired: count }) => sum + count, 0);
  return { repaired, rooms: names(ofRooms).sort(), users: names(ofUsers).sort() };
}

function nameOf({ serverId, incarnation }: ServerIncarnation): string {
  return `${serverId}.${incarnation}`;
}
