import type { AnnouncedMember, RosterChange } from "@cm/protocol";
import { describe, expect } from "vitest";
import { hearRooms } from "../announcement-recorder.js";
import { AWKWARD_NAMES } from "../awkward-names.js";
import { ODD_METADATA, textOf } from "../odd-metadata.js";
import type { HarnessFactory } from "../store-harness.js";
import {
  bringUp,
  claimDead,
  LONG_MS,
  letDie,
  outcomeOf,
  passUntil,
  SHORT_MS,
  scenarios,
  times,
} from "../store-scenarios.js";
import { membersOf } from "./sample-members.js";

/** Contract tests for `RoomDirectory` about announcements. */
export function describeRosterChanges(name: string, createHarness: HarnessFactory): void {
  const it = scenarios(createHarness);

  describe(`${name}: roster changes`, () => {
    it("announces nothing of a room while no server has requested it", async ({ store }) => {
      const alpha = await bringUp(store, "alpha");
      const members = membersOf(alpha, 2);
      await store.rooms.enableAnnouncements("other", LONG_MS);
      const roster = await hearRooms(store, ["lobby", "other"]);
      await store.rooms.join(alpha.lease, "lobby", members);
      await store.rooms.join(alpha.lease, "lobby", members, { onlyExisting: true });
      await store.rooms.leave(alpha.lease, "lobby", members);
      expect(await roster.heard()).toEqual([]);
    });

    it("announces each member that joins, changes and leaves, from the returned version on", async (harness) => {
      const { store } = harness;
      const other = await harness.peer();
      const [alpha, beta] = [await bringUp(store, "alpha"), await bringUp(other, "beta")];
      const [ann, bob] = [memberOf(alpha.ids.next(), "ann", '{"team":1}'), memberOf(beta.ids.next(), "bob")];
      const roster = await hearRooms(other, ["lobby"]);
      const version = await store.rooms.enableAnnouncements("lobby", LONG_MS);
      await store.rooms.join(alpha.lease, "lobby", [ann]);
      await other.rooms.join(beta.lease, "lobby", [bob]);
      await other.rooms.join(beta.lease, "lobby", [{ ...bob, metadata: "[2]" }], { onlyExisting: true });
      await store.rooms.leave(alpha.lease, "lobby", [ann]);
      await other.rooms.leave(beta.lease, "lobby", [bob], "closed");
      const changes = await roster.heard();
      expect(changes).toMatchObject([
        { kind: "joined", ...idsOf(ann), metadata: { team: 1 }, previousVersion: version },
        { kind: "joined", ...idsOf(bob), metadata: undefined },
        { kind: "updated", ...idsOf(bob), metadata: [2] },
        { kind: "left", ...idsOf(ann), metadata: undefined, reason: "left" },
        { kind: "left", ...idsOf(bob), metadata: undefined, reason: "closed" },
      ]);
      const moments = changes.map(({ at }) => at);
      expect(moments).toEqual([...moments].sort((a, b) => a - b));
    });

    it("announces nothing if nothing changes, nor for quiet changes", async ({ store }) => {
      const alpha = await bringUp(store, "alpha");
      const [inside, outside, back] = membersOf(alpha, 3);
      if (inside === undefined || outside === undefined || back === undefined) throw new Error("three members");
      await store.rooms.join(alpha.lease, "lobby", [inside]);
      await store.rooms.enableAnnouncements("lobby", LONG_MS);
      const roster = await hearRooms(store, ["lobby"]);
      await store.rooms.join(alpha.lease, "lobby", [inside, inside]);
      await store.rooms.join(alpha.lease, "lobby", []);
      await store.rooms.leave(alpha.lease, "lobby", [outside]);
      await store.rooms.join(alpha.lease, "lobby", [{ ...outside, metadata: "1" }], { onlyExisting: true });
      await store.rooms.join(alpha.lease, "lobby", [inside], { onlyExisting: true, quiet: true, record: "{}" });
      expect(await store.roomRecords.get("lobby")).toBeUndefined();
      await store.upkeep.projection.renew(alpha.lease, { rooms: ["lobby"] });
      await store.rooms.join(alpha.lease, "lobby", [back], { quiet: true });
      expect(await roster.heard()).toEqual([]);
      expect(await store.rooms.count("lobby")).toBe(2);
      await store.rooms.leave(alpha.lease, "lobby", [back]);
      expect(inShort(await roster.heard())).toEqual([`left ${back.connectionId}`]);
    });

    it("announces once an entry that is named twice in one call", async ({ store }) => {
      const alpha = await bringUp(store, "alpha");
      const [member] = membersOf(alpha, 1);
      if (member === undefined) throw new Error("one member");
      await store.rooms.enableAnnouncements("lobby", LONG_MS);
      const roster = await hearRooms(store, ["lobby"]);
      await store.rooms.join(alpha.lease, "lobby", [member, member]);
      await store.rooms.leave(alpha.lease, "lobby", [member, member]);
      expect(inShort(await roster.heard())).toEqual([`joined ${member.connectionId}`, `left ${member.connectionId}`]);
    });

    it("carries odd metadata unchanged", async ({ store }) => {
      const alpha = await bringUp(store, "alpha");
      await store.rooms.enableAnnouncements("lobby", LONG_MS);
      const roster = await hearRooms(store, ["lobby"]);
      const members = ODD_METADATA.map((metadata) => memberOf(alpha.ids.next(), "ann", metadata));
      await store.rooms.join(alpha.lease, "lobby", members);
      await store.rooms.join(alpha.lease, "lobby", members, { onlyExisting: true });
      const texts = ODD_METADATA.map((text) => textOf(JSON.parse(text)));
      expect((await roster.heard()).map(({ metadata }) => textOf(metadata))).toEqual([...texts, ...texts]);
    });

    it("keeps rooms of awkward names apart, and carries awkward names of users", async ({ store, peer }) => {
      const alpha = await bringUp(store, "alpha");
      const roster = await hearRooms(await peer(), AWKWARD_NAMES);
      const expected: string[] = [];
      for (const room of AWKWARD_NAMES) {
        await store.rooms.enableAnnouncements(room, LONG_MS);
        const member = memberOf(alpha.ids.next(), room, JSON.stringify(room));
        expected.push(textOf(["joined", room, member.connectionId, room]));
        await store.rooms.join(alpha.lease, room, [member]);
      }
      const changes = await roster.heard();
      const told = changes.map(({ kind, userId, connectionId, metadata }) => [kind, userId, connectionId, metadata]);
      expect(told.map(textOf).sort()).toEqual(expected.sort());
    });

    it("numbers all changes of a room in one chain, even if several servers write at once", async ({ store, peer }) => {
      const other = await peer();
      const sides = [
        { rooms: store.rooms, server: await bringUp(store, "alpha") },
        { rooms: other.rooms, server: await bringUp(other, "beta") },
      ];
      await store.rooms.enableAnnouncements("lobby", LONG_MS);
      const roster = await hearRooms(store, ["lobby"]);
      await Promise.all(
        sides.flatMap(({ rooms, server }) =>
          times(50, async () => {
            const members = membersOf(server, 3);
            await rooms.join(server.lease, "lobby", members);
            await rooms.leave(server.lease, "lobby", members);
          }),
        ),
      );
      const changes = await roster.heard();
      expect(changes.filter(({ kind }) => kind === "joined")).toHaveLength(300);
      expect(changes.filter(({ kind }) => kind === "left")).toHaveLength(300);
    });

    it("announces 2,000 members in one call", async ({ store }) => {
      const alpha = await bringUp(store, "alpha");
      const members = membersOf(alpha, 2000);
      await store.rooms.enableAnnouncements("lobby", LONG_MS);
      const roster = await hearRooms(store, ["lobby"]);
      await store.rooms.join(alpha.lease, "lobby", members);
      await store.rooms.leave(alpha.lease, "lobby", members);
      const ids = (kind: string) => members.map(({ connectionId }) => `${kind} ${connectionId}`);
      expect(inShort(await roster.heard()).sort()).toEqual([...ids("joined"), ...ids("left")].sort());
    });

    it("announces nothing for a refused write", async (harness) => {
      const { store } = harness;
      const alpha = await bringUp(store, "alpha");
      const members = membersOf(alpha, 2);
      await store.rooms.join(alpha.lease, "lobby", members);
      await store.rooms.enableAnnouncements("lobby", LONG_MS);
      const lease = await letDie(harness, alpha);
      const roster = await hearRooms(store, ["lobby"]);
      expect(await outcomeOf(store.rooms.join(lease, "lobby", membersOf(alpha, 1)))).toBe("lease-lost");
      expect(await outcomeOf(store.rooms.join(lease, "lobby", members, { onlyExisting: true }))).toBe("lease-lost");
      expect(await outcomeOf(store.rooms.leave(lease, "lobby", members))).toBe("lease-lost");
      expect(await roster.heard()).toEqual([]);
    });

    it("announces once the members that are removed with a dead server", async (harness) => {
      const { store } = harness;
      const [dead, living] = [await bringUp(store, "dead"), await bringUp(store, "living")];
      const gone = membersOf(dead, 5);
      await store.rooms.join(dead.lease, "lobby", gone);
      await store.rooms.join(living.lease, "lobby", membersOf(living, 1));
      await store.rooms.enableAnnouncements("lobby", LONG_MS);
      await letDie(harness, dead);
      const claim = await claimDead(store, "dead");
      const roster = await hearRooms(await harness.peer(), ["lobby"]);
      for (let i = 0; i < 2; i++) await store.upkeep.projection.evict(claim, { room: "lobby" });
      const expected = gone.map(({ connectionId }) => `left ${connectionId}`);
      const changes = await roster.heard();
      expect(inShort(changes).sort()).toEqual(expected.sort());
      expect(new Set(changes.map(({ reason }) => reason))).toEqual(new Set(["lost"]));
    });

    it("returns the latest change with each request, and shortens no earlier request", async (harness) => {
      const { store, letTimePass } = harness;
      const alpha = await bringUp(store, "alpha");
      const roster = await hearRooms(store, ["lobby"]);
      const first = await store.rooms.enableAnnouncements("lobby", LONG_MS);
      expect(await store.rooms.enableAnnouncements("lobby", SHORT_MS)).toBe(first);
      await letTimePass(SHORT_MS * 2);
      await store.rooms.join(alpha.lease, "lobby", membersOf(alpha, 2));
      const changes = await roster.heard();
      expect(changes).toHaveLength(2);
      expect(await (await harness.peer()).rooms.enableAnnouncements("lobby", LONG_MS)).toBe(changes.at(-1)?.version);
    });

    it("stops if it is not requested again, leaves nothing behind, and starts again with a greater version", async (harness) => {
      const { store, storedEntries, letTimePass } = harness;
      const alpha = await bringUp(store, "alpha");
      const roster = await hearRooms(store, ["lobby"]);
      const before = await storedEntries();
      const wanted = await store.rooms.enableAnnouncements("lobby", SHORT_MS);
      await letTimePass(SHORT_MS * 2);
      await store.rooms.join(alpha.lease, "lobby", membersOf(alpha, 2));
      expect(await roster.heard()).toEqual([]);
      const members = await store.rooms.members("lobby", { limit: 10 });
      await store.rooms.leave(alpha.lease, "lobby", members.items);
      await passUntil(harness, async () => (await storedEntries()) === before);
      const again = await store.rooms.enableAnnouncements("lobby", LONG_MS);
      expect(again).toBeGreaterThan(wanted);
      await store.rooms.join(alpha.lease, "lobby", members.items.slice(1));
      expect(await roster.heard()).toMatchObject([{ kind: "joined", previousVersion: again }]);
    });
  });
}

function memberOf(connectionId: string, userId: string, metadata?: string): AnnouncedMember {
  return { connectionId, userId, metadata };
}

function idsOf({ connectionId, userId }: AnnouncedMember): { readonly connectionId: string; readonly userId: string } {
  return { connectionId, userId };
}

function inShort(changes: readonly RosterChange[]): string[] {
  return changes.map(({ kind, connectionId }) => `${kind} ${connectionId}`);
}
