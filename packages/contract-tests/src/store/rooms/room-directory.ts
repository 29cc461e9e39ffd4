import type { RoomMember, Store } from "@cm/protocol";
import { describe, expect } from "vitest";
import { AWKWARD_NAMES } from "../awkward-names.js";
import type { HarnessFactory } from "../store-harness.js";
import { bringUp, claimDead, LONG_MS, letDie, loseClaim, outcomeOf, passUntil, scenarios } from "../store-scenarios.js";
import { byId, membersOf } from "./sample-members.js";

/**
 * Contract tests for `RoomDirectory`, except for paging, and for the parts of `ProjectionUpkeep` about rooms.
 */
export function describeRoomDirectory(name: string, createHarness: HarnessFactory): void {
  const it = scenarios(createHarness);

  describe(`${name}: room directory`, () => {
    it("shows the members of a room, from all servers, to every store", async ({ store, peer }) => {
      const other = await peer();
      const alpha = await bringUp(store, "alpha");
      const beta = await bringUp(other, "beta");
      const [mine, theirs] = [membersOf(alpha, 3), membersOf(beta, 2)];
      await store.rooms.join(alpha.lease, "lobby", mine);
      await other.rooms.join(beta.lease, "lobby", theirs);
      for (const seen of [store, other]) {
        expect(await roster(seen, "lobby")).toEqual(byId([...mine, ...theirs]));
        expect(await seen.rooms.count("lobby")).toBe(5);
        expect(await seen.counts.of("rooms")).toBe(1);
      }
    });

    it("returns no members for a room that was never joined", async ({ store }) => {
      expect(await store.rooms.members("nowhere", { limit: 10 })).toEqual({ items: [], cursor: undefined });
      expect(await store.rooms.count("nowhere")).toBe(0);
      expect(await store.counts.of("rooms")).toBe(0);
    });

    it("counts a member that joins twice once", async ({ store }) => {
      const alpha = await bringUp(store, "alpha");
      const members = membersOf(alpha, 2);
      await store.rooms.join(alpha.lease, "lobby", members);
      await store.rooms.join(alpha.lease, "lobby", [...members, ...members]);
      expect(await roster(store, "lobby")).toEqual(byId(members));
      expect(await store.rooms.count("lobby")).toBe(2);
      await store.rooms.leave(alpha.lease, "lobby", members);
      expect(await store.rooms.count("lobby")).toBe(0);
    });

    it("ignores a leave of a connection that is not a member", async ({ store }) => {
      const alpha = await bringUp(store, "alpha");
      const [stays, leaves, never] = membersOf(alpha, 3);
      if (stays === undefined || leaves === undefined || never === undefined) throw new Error("three members");
      await store.rooms.leave(alpha.lease, "lobby", [never]);
      await store.rooms.join(alpha.lease, "lobby", [stays, leaves]);
      for (let i = 0; i < 2; i++) await store.rooms.leave(alpha.lease, "lobby", [leaves, never]);
      await store.rooms.leave(alpha.lease, "other", [stays]);
      expect(await roster(store, "lobby")).toEqual([stays]);
      expect(await store.rooms.count("lobby")).toBe(1);
      expect(await store.counts.of("rooms")).toBe(1);
    });

    it("keeps several connections of one user apart", async ({ store }) => {
      const alpha = await bringUp(store, "alpha");
      const members = membersOf(alpha, 3).map(({ connectionId }) => ({ connectionId, userId: "same" }));
      await store.rooms.join(alpha.lease, "lobby", members);
      await store.rooms.leave(alpha.lease, "lobby", members.slice(0, 1));
      expect(await roster(store, "lobby")).toEqual(byId(members.slice(1)));
    });

    it("leaves nothing of a room behind when the last one left", async ({ store, storedEntries }) => {
      const alpha = await bringUp(store, "alpha");
      const beta = await bringUp(store, "beta");
      const before = await storedEntries();
      const [first, second] = [membersOf(alpha, 2), membersOf(beta, 1)];
      for (const room of ["one", "two"]) {
        await store.rooms.join(alpha.lease, room, first);
        await store.rooms.join(beta.lease, room, second);
        await store.rooms.leave(alpha.lease, room, first);
        expect(await store.rooms.count(room)).toBe(1);
        expect(await store.counts.of("rooms")).toBe(1);
        await store.rooms.leave(beta.lease, room, second);
        expect(await store.counts.of("rooms")).toBe(0);
      }
      // Renewing must not restore a room.
      await store.upkeep.projection.renew(alpha.lease, { rooms: ["one", "two", "never"] });
      expect(await store.counts.of("rooms")).toBe(0);
      expect(await storedEntries()).toBe(before);
    });

    it("accepts an empty list", async ({ store, storedEntries }) => {
      const { lease } = await bringUp(store, "alpha");
      const before = await storedEntries();
      await store.rooms.join(lease, "lobby", []);
      await store.rooms.leave(lease, "lobby", []);
      await store.upkeep.projection.renew(lease, { rooms: [] });
      expect(await store.counts.of("rooms")).toBe(0);
      expect(await storedEntries()).toBe(before);
    });

    it("takes 2,000 members in one call, in and out", async ({ store }) => {
      const alpha = await bringUp(store, "alpha");
      const members = membersOf(alpha, 2000);
      await store.rooms.join(alpha.lease, "lobby", members);
      expect(await store.rooms.count("lobby")).toBe(2000);
      expect(await roster(store, "lobby")).toEqual(byId(members));
      await store.upkeep.projection.renew(alpha.lease, { rooms: ["lobby"] });
      await store.rooms.leave(alpha.lease, "lobby", members.slice(1));
      expect(await roster(store, "lobby")).toEqual(members.slice(0, 1));
    });

    it("keeps rooms of awkward names apart", async ({ store }) => {
      const alpha = await bringUp(store, "alpha");
      const joined = AWKWARD_NAMES.map((room) => ({ room, members: membersOf(alpha, 1) }));
      for (const { room, members } of joined) await store.rooms.join(alpha.lease, room, members);
      expect(await store.counts.of("rooms")).toBe(joined.length);
      await store.upkeep.projection.renew(alpha.lease, { rooms: AWKWARD_NAMES });
      for (const { room, members } of joined) expect(await roster(store, room)).toEqual(members);
      for (const { room, members } of joined) await store.rooms.leave(alpha.lease, room, members);
      expect(await store.counts.of("rooms")).toBe(0);
    });

    it("keeps awkward names of users as they are", async ({ store }) => {
      const alpha = await bringUp(store, "alpha");
      const members = AWKWARD_NAMES.map((userId) => ({ connectionId: alpha.ids.next(), userId }));
      await store.rooms.join(alpha.lease, "lobby", members);
      expect(await roster(store, "lobby")).toEqual(byId(members));
      await store.rooms.leave(alpha.lease, "lobby", members);
      expect(await store.rooms.count("lobby")).toBe(0);
    });

    it("loses no member when many join and leave at once", async ({ store, peer }) => {
      const other = await peer();
      const alpha = await bringUp(store, "alpha");
      const beta = await bringUp(other, "beta");
      const sides = [
        { store, lease: alpha.lease, members: membersOf(alpha, 100) },
        { store: other, lease: beta.lease, members: membersOf(beta, 100) },
      ];
      await Promise.all(
        sides.flatMap(({ store: { rooms }, lease, members }) =>
          members.map(async (member, i) => {
            await rooms.join(lease, "lobby", [member]);
            if (i % 2 === 0) await rooms.leave(lease, "lobby", [member]);
          }),
        ),
      );
      const stayed = sides.flatMap(({ members }) => members.filter((_, i) => i % 2 === 1));
      expect(await roster(store, "lobby")).toEqual(byId(stayed));
      expect(await other.rooms.count("lobby")).toBe(100);
    });

    it("refuses writes under a lease that expired, and changes nothing", async (harness) => {
      const { store } = harness;
      const alpha = await bringUp(store, "alpha");
      const members = membersOf(alpha, 3);
      await store.rooms.join(alpha.lease, "lobby", members);
      const lease = await letDie(harness, alpha);
      const late = membersOf(alpha, 1);
      expect(await outcomeOf(store.rooms.join(lease, "lobby", late))).toBe("lease-lost");
      expect(await outcomeOf(store.rooms.join(lease, "new", late))).toBe("lease-lost");
      expect(await outcomeOf(store.rooms.leave(lease, "lobby", members))).toBe("lease-lost");
      expect(await outcomeOf(store.upkeep.projection.renew(lease, { rooms: ["lobby"] }))).toBe("lease-lost");
      expect(await store.counts.of("rooms")).toBe(1);
      await store.servers.acquire(alpha.registration, LONG_MS);
      expect(await roster(store, "lobby")).toEqual(byId(members));
    });

    it("leaves out members of a dead server from the moment its lease expires", async (harness) => {
      const { store } = harness;
      const other = await harness.peer();
      const [dead, living] = [await bringUp(store, "dead"), await bringUp(other, "living")];
      const stays = membersOf(living, 2);
      await store.rooms.join(dead.lease, "lobby", membersOf(dead, 3));
      await other.rooms.join(living.lease, "lobby", stays);
      await store.rooms.join(dead.lease, "theirs", membersOf(dead, 3));
      await letDie(harness, dead);
      for (const seen of [store, other]) {
        expect(await seen.rooms.count("lobby")).toBe(2);
        expect(await roster(seen, "lobby")).toEqual(byId(stays));
        expect(await seen.rooms.count("theirs")).toBe(0);
        expect(await roster(seen, "theirs")).toEqual([]);
        expect(await seen.counts.of("rooms")).toBe(2);
      }
    });

    it("leaves out members of a server that gave its lease up", async (harness) => {
      const { store } = harness;
      const other = await harness.peer();
      const alpha = await bringUp(store, "alpha");
      await store.rooms.join(alpha.lease, "lobby", membersOf(alpha, 3));
      await store.servers.unregister(alpha.lease);
      for (const seen of [store, other]) {
        await passUntil(harness, async () => (await seen.rooms.count("lobby")) === 0);
        expect(await roster(seen, "lobby")).toEqual([]);
      }
    });

    it("removes exactly the dead server's members from a room, and returns them", async (harness) => {
      const { store, storedEntries } = harness;
      const [dead, living] = [await bringUp(store, "dead"), await bringUp(store, "living")];
      const before = await storedEntries();
      const [gone, stays] = [membersOf(dead, 2000), membersOf(living, 2)];
      await store.rooms.join(living.lease, "lobby", stays);
      await store.rooms.join(dead.lease, "lobby", gone);
      await store.rooms.join(dead.lease, "theirs", gone.slice(0, 3));
      await letDie(harness, dead);
      const claim = await claimDead(store, "dead");
      expect(byId(await store.upkeep.projection.evict(claim, { room: "lobby" }))).toEqual(byId(gone));
      expect(await store.upkeep.projection.evict(claim, { room: "lobby" })).toEqual([]);
      expect(await store.upkeep.projection.evict(claim, { room: "nowhere" })).toEqual([]);
      expect(await roster(store, "lobby")).toEqual(byId(stays));
      expect(await store.rooms.count("lobby")).toBe(2);
      expect(await store.counts.of("rooms")).toBe(2);
      expect(byId(await store.upkeep.projection.evict(claim, { room: "theirs" }))).toEqual(byId(gone.slice(0, 3)));
      expect(await store.counts.of("rooms")).toBe(1);
      await store.rooms.leave(living.lease, "lobby", stays);
      expect(await storedEntries()).toBe(before);
    });

    it("removes no member under a claim that expired", async (harness) => {
      const { store } = harness;
      const dead = await bringUp(store, "dead");
      const members = membersOf(dead, 3);
      await store.rooms.join(dead.lease, "lobby", members);
      await letDie(harness, dead);
      const { lost, held } = await loseClaim(harness, "dead");
      // The store may either reject or ignore a call with a claim that is no longer held.
      await outcomeOf(store.upkeep.projection.evict(lost, { room: "lobby" }));
      expect(await store.counts.of("rooms")).toBe(1);
      expect(byId(await store.upkeep.projection.evict(held, { room: "lobby" }))).toEqual(byId(members));
    });
  });
}

async function roster(store: Store, room: string): Promise<RoomMember[]> {
  const members: RoomMember[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.rooms.members(room, { cursor, limit: 1000 });
    members.push(...page.items);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return byId(members);
}
