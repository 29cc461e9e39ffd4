import { connectionIdsOf } from "@cm/protocol";
import { describe, expect } from "vitest";
import { AWKWARD_NAMES } from "../awkward-names.js";
import type { HarnessFactory } from "../store-harness.js";
import {
  bringUp,
  claimDead,
  LONG_MS,
  letDie,
  loseClaim,
  outcomeOf,
  passUntil,
  scenarios,
  times,
} from "../store-scenarios.js";
import { AT_ONCE, byConnection, connectionsOf, idsOf } from "./sample-users.js";

/** Contract tests for `UserDirectory` and `ProjectionUpkeep` about users' connections. */
export function describeUserDirectory(name: string, createHarness: HarnessFactory): void {
  const it = scenarios(createHarness);

  describe(`${name}: user directory`, () => {
    it("shows a user's connections on all servers, to every store", async ({ store, peer }) => {
      const other = await peer();
      const [alpha, beta] = [await bringUp(store, "alpha"), await bringUp(other, "beta")];
      const [mine, theirs] = [connectionsOf(alpha, "ann", 2), connectionsOf(beta, "ann", 1)];
      await store.users.add(alpha.lease, [...mine, ...connectionsOf(alpha, "bob", 1)]);
      await other.users.add(beta.lease, theirs);
      for (const { users, counts } of [store, other]) {
        expect((await connectionIdsOf(users, "ann")).sort()).toEqual(idsOf([...mine, ...theirs]));
        expect(await counts.of("users")).toBe(2);
        expect(await counts.of("connections")).toBe(4);
        expect(await connectionIdsOf(users, "nobody")).toEqual([]);
        const [bob, nobody, ann, ...others] = await users.states(["bob", "nobody", "ann"], { idsOnly: true });
        expect([bob?.userId, nobody?.userId, ann?.userId, others]).toEqual(["bob", "nobody", "ann", []]);
        expect([bob?.connections.length, nobody?.connections.length]).toEqual([1, 0]);
        expect(idsOf(ann?.connections ?? [])).toEqual(idsOf([...mine, ...theirs]));
      }
    });

    it("takes the same connection twice, in and out", async ({ store }) => {
      const alpha = await bringUp(store, "alpha");
      const connections = connectionsOf(alpha, "ann", 2);
      for (let i = 0; i < 2; i++) await store.users.add(alpha.lease, [...connections, ...connections]);
      expect((await connectionIdsOf(store.users, "ann")).sort()).toEqual(idsOf(connections));
      expect(await store.counts.of("users")).toBe(1);
      for (let i = 0; i < 2; i++) await store.users.remove(alpha.lease, connections.slice(0, 1), AT_ONCE);
      expect(await connectionIdsOf(store.users, "ann")).toEqual(idsOf(connections.slice(1)));
      expect(await store.counts.of("users")).toBe(1);
    });

    it("adds no more connections than a user may have, those of all servers counted", async ({ store, peer }) => {
      const other = await peer();
      const [alpha, beta] = [await bringUp(store, "alpha"), await bringUp(other, "beta")];
      const limit = { maxPerUser: 3 };
      const [mine, theirs] = [connectionsOf(alpha, "ann", 2), connectionsOf(beta, "ann", 4)];
      await store.users.add(alpha.lease, mine, limit);
      // Add all connections at once, as when clients reconnect: only one of them becomes the third
      // connection.
      const outcomes = await Promise.all(theirs.map((each) => outcomeOf(other.users.add(beta.lease, [each], limit))));
      expect(outcomes.filter((outcome) => outcome === "connections-limit")).toHaveLength(3);
      expect(await connectionIdsOf(store.users, "ann")).toHaveLength(3);
      // Adding a connection again does not count twice, and other users are not affected.
      await store.users.add(alpha.lease, [...mine, ...connectionsOf(alpha, "bob", 3)], limit);
      await store.users.remove(alpha.lease, mine.slice(0, 1), AT_ONCE);
      await store.users.add(alpha.lease, connectionsOf(alpha, "ann", 1), limit);
      expect(await connectionIdsOf(store.users, "ann")).toHaveLength(3);
      await store.users.add(alpha.lease, connectionsOf(alpha, "ann", 1));
      expect(await connectionIdsOf(store.users, "ann")).toHaveLength(4);
    });

    it("ignores the removal of what is not there", async ({ store }) => {
      const alpha = await bringUp(store, "alpha");
      const kept = connectionsOf(alpha, "ann", 1);
      await store.users.add(alpha.lease, kept);
      const strangers = [...connectionsOf(alpha, "ann", 1), ...connectionsOf(alpha, "bob", 1)];
      await store.users.remove(alpha.lease, strangers, AT_ONCE);
      await store.users.remove(alpha.lease, [], AT_ONCE);
      await store.users.add(alpha.lease, []);
      expect(await connectionIdsOf(store.users, "ann")).toEqual(idsOf(kept));
      expect(await store.counts.of("users")).toBe(1);
    });

    it("leaves nothing behind of a user without connections", async ({ store, storedEntries }) => {
      const [alpha, beta] = [await bringUp(store, "alpha"), await bringUp(store, "beta")];
      const before = await storedEntries();
      const [mine, theirs] = [connectionsOf(alpha, "ann", 1), connectionsOf(beta, "ann", 1)];
      await store.users.add(alpha.lease, mine);
      await store.users.add(beta.lease, theirs);
      await store.users.remove(alpha.lease, mine, AT_ONCE);
      expect(await store.counts.of("users")).toBe(1);
      await store.users.remove(beta.lease, theirs, { graceMs: LONG_MS });
      // The user is still online for a while, without a connection.
      expect([await store.counts.of("users"), await store.counts.of("connections")]).toEqual([1, 0]);
      await store.users.add(beta.lease, theirs);
      await store.users.remove(beta.lease, theirs, AT_ONCE);
      // Renewing must not restore a user.
      await store.upkeep.projection.renew(alpha.lease, { users: ["ann", "never"] });
      expect(await store.counts.of("users")).toBe(0);
      expect(await connectionIdsOf(store.users, "ann")).toEqual([]);
      expect(await storedEntries()).toBe(before);
    });

    it("takes 2,000 connections in one call, of many users or of one", async ({ store, storedEntries }) => {
      const alpha = await bringUp(store, "alpha");
      const before = await storedEntries();
      const many = times(2000, (i) => connectionsOf(alpha, `user-${i % 700}`, 1)).flat();
      const one = connectionsOf(alpha, "everywhere", 2000);
      for (const connections of [many, one]) await store.users.add(alpha.lease, connections);
      expect(await store.counts.of("users")).toBe(701);
      expect((await connectionIdsOf(store.users, "everywhere")).sort()).toEqual(idsOf(one));
      const mine = many.filter(({ userId }) => userId === "user-3");
      expect((await connectionIdsOf(store.users, "user-3")).sort()).toEqual(idsOf(mine));
      await store.upkeep.projection.renew(alpha.lease, { users: times(700, (i) => `user-${i}`) });
      for (const connections of [many, one]) await store.users.remove(alpha.lease, connections, AT_ONCE);
      expect(await store.counts.of("users")).toBe(0);
      expect(await storedEntries()).toBe(before);
    });

    it("keeps users of awkward names apart", async ({ store }) => {
      const alpha = await bringUp(store, "alpha");
      const connections = AWKWARD_NAMES.flatMap((userId) => connectionsOf(alpha, userId, 1));
      await store.users.add(alpha.lease, connections);
      await store.upkeep.projection.renew(alpha.lease, { users: AWKWARD_NAMES });
      expect(await store.counts.of("users")).toBe(AWKWARD_NAMES.length);
      for (const { userId, connectionId } of connections) {
        expect(await connectionIdsOf(store.users, userId)).toEqual([connectionId]);
      }
      await store.users.remove(alpha.lease, connections, AT_ONCE);
      expect(await store.counts.of("users")).toBe(0);
    });

    it("refuses writes under a lease that expired, and changes nothing", async (harness) => {
      const { store } = harness;
      const alpha = await bringUp(store, "alpha");
      const kept = connectionsOf(alpha, "ann", 2);
      await store.users.add(alpha.lease, kept);
      const lease = await letDie(harness, alpha);
      const late = [...connectionsOf(alpha, "ann", 1), ...connectionsOf(alpha, "bob", 1)];
      expect(await outcomeOf(store.users.add(lease, late))).toBe("lease-lost");
      expect(await outcomeOf(store.users.remove(lease, kept, AT_ONCE))).toBe("lease-lost");
      const renamed = kept.map((connection) => ({ ...connection, metadata: "1" }));
      expect(await outcomeOf(store.users.add(lease, renamed, { onlyExisting: true }))).toBe("lease-lost");
      expect(await outcomeOf(store.upkeep.projection.renew(lease, { users: ["ann"] }))).toBe("lease-lost");
      expect(await store.counts.of("users")).toBe(1);
      await store.servers.acquire(alpha.registration, LONG_MS);
      expect((await connectionIdsOf(store.users, "ann")).sort()).toEqual(idsOf(kept));
      const [state] = await store.users.states(["ann"]);
      expect(byConnection(state?.connections ?? [])).toEqual(byConnection(kept));
    });

    it("leaves out connections of a dead server, and counts its users until they are cleaned up", async (harness) => {
      const { store } = harness;
      const other = await harness.peer();
      const [dead, living] = [await bringUp(store, "dead"), await bringUp(other, "living")];
      const stays = connectionsOf(living, "ann", 1);
      await store.users.add(dead.lease, [...connectionsOf(dead, "ann", 2), ...connectionsOf(dead, "bob", 1)]);
      await other.users.add(living.lease, stays);
      await letDie(harness, dead);
      for (const { users, counts } of [store, other]) {
        expect(await connectionIdsOf(users, "ann")).toEqual(idsOf(stays));
        expect(await connectionIdsOf(users, "bob")).toEqual([]);
        expect(await counts.of("users")).toBe(2);
      }
    });

    it("leaves out connections of a server that gave its lease up", async (harness) => {
      const { store } = harness;
      const other = await harness.peer();
      const alpha = await bringUp(store, "alpha");
      await store.users.add(alpha.lease, connectionsOf(alpha, "ann", 2));
      await store.servers.unregister(alpha.lease);
      for (const { users } of [store, other]) {
        await passUntil(harness, async () => (await connectionIdsOf(users, "ann")).length === 0);
        expect(await connectionIdsOf(users, "ann")).toEqual([]);
      }
    });

    it("removes only the dead server's connections under a claim", async (harness) => {
      const { store, storedEntries } = harness;
      const [dead, living] = [await bringUp(store, "dead"), await bringUp(store, "living")];
      const before = await storedEntries();
      const gone = [...connectionsOf(dead, "ann", 2), ...times(500, (i) => connectionsOf(dead, `u${i}`, 1)).flat()];
      const stays = connectionsOf(living, "ann", 1);
      await store.users.add(dead.lease, gone);
      await store.users.add(living.lease, stays);
      await letDie(harness, dead);
      const claim = await claimDead(store, "dead");
      for (let i = 0; i < 2; i++) await store.upkeep.projection.evict(claim, { users: gone });
      await store.upkeep.projection.evict(claim, { users: [] });
      expect(await connectionIdsOf(store.users, "ann")).toEqual(idsOf(stays));
      expect(await store.counts.of("users")).toBe(1);
      await store.users.remove(living.lease, stays, AT_ONCE);
      expect(await storedEntries()).toBe(before);
    });

    it("removes nothing under a claim that expired", async (harness) => {
      const { store } = harness;
      const dead = await bringUp(store, "dead");
      const connections = connectionsOf(dead, "ann", 2);
      await store.users.add(dead.lease, connections);
      await letDie(harness, dead);
      const { lost, held } = await loseClaim(harness, "dead");
      // The store may either reject or ignore a call with a claim that is no longer held.
      await outcomeOf(store.upkeep.projection.evict(lost, { users: connections }));
      expect(await store.counts.of("users")).toBe(1);
      await store.upkeep.projection.evict(held, { users: connections });
      expect(await store.counts.of("users")).toBe(0);
    });
  });
}
