import { type ConnectionRecord, parseConnectionId, type ReapClaim, type Store } from "@cm/protocol";
import { describe, expect } from "vitest";
import { AWKWARD_NAMES } from "./awkward-names.js";
import { byId } from "./rooms/sample-members.js";
import { recordOf } from "./sample-records.js";
import type { HarnessFactory } from "./store-harness.js";
import { bringUp, claimDead, letDie, loseClaim, outcomeOf, scenarios, times } from "./store-scenarios.js";

/**
 * Contract tests for `ConnectionRegistry`, and for the parts of `ProjectionUpkeep` about connection records.
 */
export function describeConnectionRegistry(name: string, createHarness: HarnessFactory): void {
  const it = scenarios(createHarness);

  describe(`${name}: connection registry`, () => {
    it("finds a record through its id alone, from every store", async ({ store, peer }) => {
      const server = await bringUp(store, "alpha");
      const record = { ...recordOf(server), rooms: ["lobby", "game-7"] };
      await store.connections.put(server.lease, [record]);
      for (const { connections } of [store, await peer()]) {
        expect(await connections.get(record.connectionId)).toEqual(record);
      }
    });

    it("returns nothing for ids that were never put, nor for invalid ids", async ({ store }) => {
      const server = await bringUp(store, "alpha");
      await store.connections.put(server.lease, [recordOf(server)]);
      const unknown = [server.ids.next(), "ghost.aaaa00", "alpha", "", "alpha.aaaa", "__proto__"];
      for (const id of unknown) expect(await store.connections.get(id)).toBeUndefined();
    });

    it("replaces a record, and takes the same one twice", async ({ store }) => {
      const { lease, ids } = await bringUp(store, "alpha");
      const connectionId = ids.next();
      const before = { connectionId, userId: "u", connectedAt: 1, lastSeen: 2, rooms: ["a", "b"] };
      const after = { connectionId, userId: "v", connectedAt: 1, lastSeen: 1_700_000_000_123, rooms: [] };
      for (const record of [before, after, after]) await store.connections.put(lease, [record]);
      expect(await store.connections.get(connectionId)).toEqual(after);
    });

    it("adds rooms behind those that a record has, and takes some out, any number of times", async ({ store }) => {
      const { lease, ids } = await bringUp(store, "alpha");
      const [head, other] = times(2, () => ({ connectionId: ids.next(), userId: "u", connectedAt: 1, lastSeen: 2 }));
      if (head === undefined || other === undefined) throw new Error("There are two.");
      const { connectionId } = head;
      const rooms = async (): Promise<readonly string[] | undefined> =>
        (await store.connections.get(connectionId))?.rooms;
      await store.connections.put(lease, [
        { ...head, rooms: ["m"] },
        { ...other, rooms: ["m", "a"] },
      ]);
      for (const room of ["z", "a", "z", "m"]) {
        await store.connections.put(lease, [{ ...head, lastSeen: 3, rooms: [room] }], { keepsRooms: true });
      }
      expect(await store.connections.get(connectionId)).toEqual({ ...head, lastSeen: 3, rooms: ["m", "z", "a"] });
      for (let i = 0; i < 2; i++) await store.connections.remove(lease, [connectionId], { rooms: ["m", "b"] });
      await store.connections.remove(lease, [connectionId], { rooms: [] });
      expect(await rooms()).toEqual(["z", "a"]);
      await store.connections.put(lease, [{ ...head, rooms: ["m"] }], { keepsRooms: true });
      expect(await rooms()).toEqual(["z", "a", "m"]);
      expect(await store.connections.get(other.connectionId)).toEqual({ ...other, rooms: ["m", "a"] });
      await store.connections.remove(lease, [connectionId]);
      await store.connections.put(lease, [{ ...head, rooms: [] }], { keepsRooms: true });
      expect(await rooms()).toEqual([]);
    });

    it("distinguishes rooms whose names are prefixes of each other", async ({ store }) => {
      const server = await bringUp(store, "alpha");
      const names = ["a", "a0", "a00000000000000", `a${"0".repeat(13)}|`, "01a", "|", "||", "{"];
      const record = { ...recordOf(server), rooms: names };
      await store.connections.put(server.lease, [record]);
      for (const [i, name] of names.entries()) {
        await store.connections.remove(server.lease, [record.connectionId], { rooms: [name] });
        const left = names.slice(i + 1);
        expect((await store.connections.get(record.connectionId))?.rooms).toEqual(left);
      }
    });

    it("adds and takes out no rooms under a lease that expired", async (harness) => {
      const { store } = harness;
      const server = await bringUp(store, "alpha");
      const record = recordOf(server);
      await store.connections.put(server.lease, [record]);
      const lease = await letDie(harness, server);
      const added = store.connections.put(lease, [{ ...record, rooms: ["s"] }], { keepsRooms: true });
      expect(await outcomeOf(added)).toBe("lease-lost");
      const removed = store.connections.remove(lease, [record.connectionId], { rooms: record.rooms });
      expect(await outcomeOf(removed)).toBe("lease-lost");
      await store.servers.acquire(server.registration, 60_000);
      expect(await store.connections.get(record.connectionId)).toEqual(record);
    });

    it("keeps awkward names of users and rooms as they are", async ({ store }) => {
      const server = await bringUp(store, "alpha");
      const records = AWKWARD_NAMES.map((userId) => ({ ...recordOf(server), userId, rooms: AWKWARD_NAMES }));
      await store.connections.put(server.lease, records);
      for (const record of records) expect(await store.connections.get(record.connectionId)).toEqual(record);
    });

    it("removes exactly the given entries, any number of times", async ({ store }) => {
      const server = await bringUp(store, "alpha");
      const [gone, stays] = [recordOf(server), recordOf(server)];
      await store.connections.put(server.lease, [gone, stays]);
      const ids = [gone.connectionId, server.ids.next(), gone.connectionId];
      for (let i = 0; i < 2; i++) await store.connections.remove(server.lease, ids);
      expect(await store.connections.get(gone.connectionId)).toBeUndefined();
      expect(await store.connections.get(stays.connectionId)).toEqual(stays);
    });

    it("accepts an empty list", async ({ store }) => {
      const { lease } = await bringUp(store, "alpha");
      await store.connections.put(lease, []);
      await store.connections.remove(lease, []);
      await store.upkeep.projection.renew(lease, { recordPartitions: { from: 0, to: 0 } });
      expect((await store.servers.snapshot()).living).toHaveLength(1);
    });

    it("takes 2,000 records in one call, and leaves nothing when they are removed", async ({
      store,
      storedEntries,
    }) => {
      const server = await bringUp(store, "alpha");
      const before = await storedEntries();
      const records = times(2000, () => recordOf(server));
      await store.connections.put(server.lease, records);
      const found = await Promise.all(records.map(({ connectionId }) => store.connections.get(connectionId)));
      expect(found).toEqual(records);
      const ids = records.map(({ connectionId }) => connectionId);
      await store.connections.remove(server.lease, ids);
      const left = await Promise.all(ids.map((id) => store.connections.get(id)));
      expect(left.filter((record) => record !== undefined)).toEqual([]);
      expect(await storedEntries()).toBe(before);
    });

    it("touches only records of the lease's own server", async ({ store }) => {
      const alpha = await bringUp(store, "alpha");
      const beta = await bringUp(store, "beta");
      const record = recordOf(alpha);
      await store.connections.put(alpha.lease, [record]);
      // The store may either reject or ignore a write to another server's record.
      await outcomeOf(store.connections.put(beta.lease, [{ ...record, userId: "forged" }]));
      await outcomeOf(store.connections.remove(beta.lease, [record.connectionId]));
      expect(await store.connections.get(record.connectionId)).toEqual(record);
    });

    it("returns no records of a dead server, and all of them once the server has acquired its lease again", async (harness) => {
      const { store } = harness;
      const server = await bringUp(store, "alpha");
      const record = recordOf(server);
      await store.connections.put(server.lease, [record]);
      await letDie(harness, server);
      for (const { connections } of [store, await harness.peer()]) {
        expect(await connections.get(record.connectionId)).toBeUndefined();
      }
      const lease = await store.servers.acquire(server.registration, 60_000);
      await store.connections.put(lease, [record]);
      expect(await store.connections.get(record.connectionId)).toEqual(record);
    });

    it("refuses writes under a lease that expired, and changes nothing", async (harness) => {
      const { store } = harness;
      const server = await bringUp(store, "alpha");
      const [kept, late] = [recordOf(server), recordOf(server)];
      await store.connections.put(server.lease, [kept]);
      const lease = await letDie(harness, server);
      const { partitionBits } = server.registration;
      expect(await outcomeOf(store.connections.put(lease, [{ ...kept, userId: "changed" }, late]))).toBe("lease-lost");
      expect(await outcomeOf(store.connections.remove(lease, [kept.connectionId]))).toBe("lease-lost");
      expect(
        await outcomeOf(
          store.upkeep.projection.renew(lease, { recordPartitions: { from: 0, to: 2 ** partitionBits } }),
        ),
      ).toBe("lease-lost");
      await store.servers.acquire(server.registration, 60_000);
      expect(await store.connections.get(kept.connectionId)).toEqual(kept);
      expect(await store.connections.get(late.connectionId)).toBeUndefined();
    });

    it("keeps what is renewed, and brings nothing back by renewing", async ({ store, storedEntries }) => {
      const server = await bringUp(store, "alpha");
      const [gone, stays] = [recordOf(server), recordOf(server)];
      const before = await storedEntries();
      await store.connections.put(server.lease, [gone, stays]);
      await store.connections.remove(server.lease, [gone.connectionId]);
      await store.upkeep.projection.renew(server.lease, {
        recordPartitions: { from: 0, to: 2 ** server.registration.partitionBits },
      });
      expect(await store.connections.get(gone.connectionId)).toBeUndefined();
      expect(await store.connections.get(stays.connectionId)).toEqual(stays);
      await store.connections.remove(server.lease, [stays.connectionId]);
      await store.upkeep.projection.renew(server.lease, {
        recordPartitions: { from: 0, to: 2 ** server.registration.partitionBits },
      });
      expect(await storedEntries()).toBe(before);
    });

    it("shows a reaper every record of the dead server once, in the record partition that its id names", async (harness) => {
      const { store } = harness;
      const server = await bringUp(store, "dead");
      const records = times(600, () => recordOf(server));
      await store.connections.put(server.lease, records);
      await letDie(harness, server);
      const recordPartitions = await readRecordPartitions(store, await claimDead(store, "dead"));
      recordPartitions.forEach((recordPartition, index) => {
        for (const { connectionId } of recordPartition) {
          expect(parseConnectionId(connectionId)).toMatchObject({ value: { recordPartition: index } });
        }
      });
      expect(byId(recordPartitions.flat())).toEqual(byId(records));
    });

    it("forgets a record partition at a time, and leaves nothing when all are cleared", async (harness) => {
      const { store, storedEntries } = harness;
      const server = await bringUp(store, "dead");
      const before = await storedEntries();
      await store.connections.put(
        server.lease,
        times(600, () => recordOf(server)),
      );
      await letDie(harness, server);
      const claim = await claimDead(store, "dead");
      const sizes = (await readRecordPartitions(store, claim)).map(({ length }) => length);
      for (let i = 0; i < 2; i++) await store.upkeep.projection.evict(claim, { recordPartition: 0 });
      expect((await readRecordPartitions(store, claim)).map(({ length }) => length)).toEqual([0, ...sizes.slice(1)]);
      for (let recordPartition = 1; recordPartition < sizes.length; recordPartition++)
        await store.upkeep.projection.evict(claim, { recordPartition });
      expect((await readRecordPartitions(store, claim)).flat()).toEqual([]);
      expect(await storedEntries()).toBe(before);
    });

    it("clears nothing under a claim that expired", async (harness) => {
      const { store } = harness;
      const server = await bringUp(store, "dead");
      const record = recordOf(server);
      await store.connections.put(server.lease, [record]);
      await letDie(harness, server);
      const { lost, held } = await loseClaim(harness, "dead");
      for (let recordPartition = 0; recordPartition < 2 ** lost.partitionBits; recordPartition++) {
        // The store may either reject or ignore a call with a claim that is no longer held.
        await outcomeOf(store.upkeep.projection.evict(lost, { recordPartition }));
      }
      expect((await readRecordPartitions(store, held)).flat()).toEqual([record]);
    });
  });
}

async function readRecordPartitions(store: Store, claim: ReapClaim): Promise<ConnectionRecord[][]> {
  return Promise.all(
    times(2 ** claim.partitionBits, (recordPartition) =>
      store.upkeep.projection.held(claim, "records", recordPartition),
    ),
  );
}
