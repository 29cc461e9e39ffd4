import { connectionIdsOf, partitionOf } from "@cm/protocol";
import { describe, expect } from "vitest";
import { hearUsers } from "../announcement-recorder.js";
import type { HarnessFactory, StoreHarness } from "../store-harness.js";
import { bringUp, claimDead, LONG_MS, letDie, passUntil, SHORT_MS, scenarios, times } from "../store-scenarios.js";
import { AT_ONCE, connectionOf, connectionsOf, inShort } from "./sample-users.js";

const LONG_GRACE = { graceMs: LONG_MS };
const SHORT_GRACE = { graceMs: SHORT_MS };

/** Contract tests for `UserDirectory` and `ProjectionUpkeep` about the grace period of users. */
export function describePresenceGrace(name: string, createHarness: HarnessFactory): void {
  const it = scenarios(createHarness);

  describe(`${name}: grace period of users`, () => {
    it("counts a user as online while it runs, without a connection", async ({ store, peer }) => {
      const alpha = await bringUp(store, "alpha");
      const feed = await hearUsers(store, ["ann"]);
      const connection = connectionOf(alpha, "ann", '"here"');
      const { connectionId } = connection;
      await store.users.add(alpha.lease, [connection]);
      await store.users.remove(alpha.lease, [connection], LONG_GRACE);
      const leaving = { userId: "ann", connections: [], isLeaving: true, lastSeen: undefined };
      for (const { users, counts, partitions, upkeep } of [store, await peer()]) {
        expect(await connectionIdsOf(users, "ann")).toEqual([]);
        expect(await counts.of("users")).toBe(1);
        expect(await users.states(["ann"])).toMatchObject([leaving]);
        expect((await users.online({ limit: 10 }, partitionOf("ann", partitions))).items).toMatchObject([leaving]);
        const leftMs = (await upkeep.projection.endGracePeriods([partitionOf("ann", partitions)])) ?? Number.NaN;
        expect(leftMs).toBeGreaterThan(0);
        expect(leftMs).toBeLessThanOrEqual(LONG_MS);
      }
      expect(inShort(await feed.heard())).toEqual([`online ann ${connectionId}`, `closed ann ${connectionId}`]);
      expect(await feed.heard()).toMatchObject([{}, { metadata: "here" }]);
    });

    it("ends when the user comes back on any server, and the user was never announced as offline", async ({
      store,
      peer,
    }) => {
      const other = await peer();
      const [alpha, beta] = [await bringUp(store, "alpha"), await bringUp(other, "beta")];
      const feed = await hearUsers(store, ["ann"]);
      const [before, after] = [connectionOf(alpha, "ann"), connectionOf(beta, "ann")];
      await store.users.add(alpha.lease, [before]);
      await store.users.remove(alpha.lease, [before], LONG_GRACE);
      await other.users.add(beta.lease, [after]);
      expect(await store.upkeep.projection.endGracePeriods([partitionOf("ann", store.partitions)])).toBeUndefined();
      expect(await store.users.states(["ann"])).toMatchObject([{ isLeaving: false, connections: [after] }]);
      expect(await store.counts.of("users")).toBe(1);
      expect(inShort(await feed.heard())).toEqual([
        `online ann ${before.connectionId}`,
        `closed ann ${before.connectionId}`,
        `opened ann ${after.connectionId}`,
      ]);
    });

    it("ends for a user that comes back late, before it was announced as offline", async ({ store, letTimePass }) => {
      const alpha = await bringUp(store, "alpha");
      const [before, after] = [connectionOf(alpha, "ann"), connectionOf(alpha, "ann")];
      await store.users.add(alpha.lease, [before]);
      await store.users.remove(alpha.lease, [before], SHORT_GRACE);
      const feed = await hearUsers(store, ["ann"]);
      await letTimePass(SHORT_MS * 2);
      expect(await store.users.states(["ann"])).toMatchObject([{ isLeaving: true, lastSeen: undefined }]);
      await store.users.add(alpha.lease, [after]);
      expect(await store.upkeep.projection.endGracePeriods([partitionOf("ann", store.partitions)])).toBeUndefined();
      expect(inShort(await feed.heard())).toEqual([`opened ann ${after.connectionId}`]);
      expect(await store.counts.of("users")).toBe(1);
    });

    it("ends in one offline without a connection, once, when two stores end it at once", async (harness) => {
      const { store, storedEntries } = harness;
      const alpha = await bringUp(store, "alpha");
      const stores = [store, await harness.peer()];
      const feed = await hearUsers(store);
      const before = await storedEntries();
      const userIds = times(20, (i) => `user-${i}`);
      const connections = userIds.map((userId) => connectionOf(alpha, userId));
      await store.users.add(alpha.lease, connections);
      await store.users.remove(alpha.lease, connections, SHORT_GRACE);
      await feed.forget();
      await passUntil(harness, async () => {
        const left = await Promise.all(
          stores.map(({ upkeep }) => upkeep.projection.endGracePeriods(everyPartition(harness))),
        );
        return left.every((ms) => ms === undefined);
      });
      const changes = await feed.heard();
      expect(inShort(changes).sort()).toEqual(userIds.map((userId) => `offline ${userId}`).sort());
      expect(await store.counts.of("users")).toBe(0);
      expect(await storedEntries()).toBe(before);
    });

    it("announces a user that comes back after it was announced as offline as online again", async (harness) => {
      const { store } = harness;
      const alpha = await bringUp(store, "alpha");
      const [before, after] = [connectionOf(alpha, "ann"), connectionOf(alpha, "ann")];
      const feed = await hearUsers(store, ["ann"]);
      await store.users.add(alpha.lease, [before]);
      await store.users.remove(alpha.lease, [before], SHORT_GRACE);
      await endAll(harness);
      await store.users.add(alpha.lease, [after]);
      expect(inShort(await feed.heard()).slice(2)).toEqual(["offline ann", `online ann ${after.connectionId}`]);
    });

    it("begins with the last connection only, whichever server had it", async ({ store, peer }) => {
      const other = await peer();
      const [alpha, beta] = [await bringUp(store, "alpha"), await bringUp(other, "beta")];
      const [mine, theirs] = [connectionsOf(alpha, "ann", 2), connectionsOf(beta, "ann", 1)];
      await store.users.add(alpha.lease, mine);
      await other.users.add(beta.lease, theirs);
      await store.users.remove(alpha.lease, mine, LONG_GRACE);
      expect(await store.users.states(["ann"])).toMatchObject([{ isLeaving: false }]);
      expect(await store.upkeep.projection.endGracePeriods([partitionOf("ann", store.partitions)])).toBeUndefined();
      await other.users.remove(beta.lease, theirs, LONG_GRACE);
      expect(await store.users.states(["ann"])).toMatchObject([{ isLeaving: true }]);
    });

    it("does not apply to a user that signs off", async ({ store }) => {
      const alpha = await bringUp(store, "alpha");
      const [first, last] = [connectionOf(alpha, "ann"), connectionOf(alpha, "ann")];
      await store.users.add(alpha.lease, [first, last]);
      const feed = await hearUsers(store, ["ann"]);
      await store.users.remove(alpha.lease, [first], AT_ONCE);
      await store.users.remove(alpha.lease, [last], AT_ONCE);
      expect(await store.upkeep.projection.endGracePeriods([partitionOf("ann", store.partitions)])).toBeUndefined();
      expect(inShort(await feed.heard())).toEqual([
        `closed ann ${first.connectionId}`,
        `offline ann ${last.connectionId}`,
      ]);
      expect(await store.users.states(["ann"])).toMatchObject([{ isLeaving: false, connections: [] }]);
    });

    it("is not touched by removing again what is gone", async ({ store }) => {
      const alpha = await bringUp(store, "alpha");
      const connection = connectionOf(alpha, "ann");
      await store.users.add(alpha.lease, [connection]);
      await store.users.remove(alpha.lease, [connection], LONG_GRACE);
      const feed = await hearUsers(store, ["ann"]);
      for (const options of [AT_ONCE, LONG_GRACE]) await store.users.remove(alpha.lease, [connection], options);
      expect(await feed.heard()).toEqual([]);
      expect(await store.users.states(["ann"])).toMatchObject([{ isLeaving: true }]);
    });

    it("outlives the server that removed the last connection, and what is evicted for it", async (harness) => {
      const { store } = harness;
      const dead = await bringUp(store, "dead");
      const connection = connectionOf(dead, "ann");
      await store.users.add(dead.lease, [connection]);
      await store.users.remove(dead.lease, [connection], LONG_GRACE);
      await letDie(harness, dead);
      const feed = await hearUsers(store, ["ann"]);
      await store.upkeep.projection.evict(await claimDead(store, "dead"), { users: [connection] });
      expect(await feed.heard()).toEqual([]);
      expect(await store.users.states(["ann"])).toMatchObject([{ isLeaving: true }]);
      expect(await store.counts.of("users")).toBe(1);
    });

    it("is ended only in the requested partitions", async (harness) => {
      const { store, letTimePass } = harness;
      const alpha = await bringUp(store, "alpha");
      const connection = connectionOf(alpha, "ann");
      await store.users.add(alpha.lease, [connection]);
      await store.users.remove(alpha.lease, [connection], SHORT_GRACE);
      await letTimePass(SHORT_MS * 2);
      const partition = partitionOf("ann", store.partitions);
      expect(await store.upkeep.projection.endGracePeriods([])).toBeUndefined();
      expect(
        await store.upkeep.projection.endGracePeriods(everyPartition(harness).filter((each) => each !== partition)),
      ).toBeUndefined();
      expect(await store.counts.of("users")).toBe(1);
      await endAll(harness);
      expect(await store.counts.of("users")).toBe(0);
    });
  });
}

function everyPartition({ store }: StoreHarness): number[] {
  return times(store.partitions, (partition) => partition);
}

/** Waits for grace periods to pass and ends them, until no user is leaving. */
async function endAll(harness: StoreHarness): Promise<void> {
  await passUntil(
    harness,
    async () => (await harness.store.upkeep.projection.endGracePeriods(everyPartition(harness))) === undefined,
  );
}
