import { type LostRoomRecord, ROOM_RECORD_MAX_BYTES, type Store } from "@cm/protocol";
import { describe, expect } from "vitest";
import { AWKWARD_NAMES } from "../awkward-names.js";
import type { HarnessFactory } from "../store-harness.js";
import { bringUp, claimDead, letDie, outcomeOf, SHORT_MS, scenarios, times } from "../store-scenarios.js";
import { membersOf } from "./sample-members.js";

const FIRST = { record: '"first"' };
const OTHER = { record: '"other"' };

/** Contract tests for `RoomRecords`, and for the parts of `RoomDirectory` about records. */
export function describeRoomRecords(name: string, createHarness: HarnessFactory): void {
  const it = scenarios(createHarness);

  describe(`${name}: room records`, () => {
    it("gets a record from the join that asks for one, and from no other", async ({ store, peer }) => {
      const alpha = await bringUp(store, "alpha");
      const members = membersOf(alpha, 2);
      await store.rooms.join(alpha.lease, "plain", members);
      await store.rooms.join(alpha.lease, "nobody", [], FIRST);
      await store.rooms.join(alpha.lease, "kept", members, FIRST);
      await store.rooms.join(alpha.lease, "empty", members, { record: "" });
      for (const { roomRecords, counts } of [store, await peer()]) {
        expect(await roomRecords.get("plain")).toBeUndefined();
        expect(await roomRecords.get("nobody")).toBeUndefined();
        expect(await roomRecords.get("empty")).toMatchObject({ room: "empty", value: "" });
        const record = await roomRecords.get("kept");
        expect(record).toMatchObject({ room: "kept", value: FIRST.record });
        expect(record?.version).toBeGreaterThan(0);
        expect(record?.createdAt).toBeGreaterThan(0);
        expect(record?.lastActivity).toBe(record?.createdAt);
        expect(await counts.of("roomRecords")).toBe(2);
      }
    });

    it("keeps the record that is there over further joins, which count as activity", async (harness) => {
      const { store, letTimePass } = harness;
      const [alpha, beta] = [await bringUp(store, "alpha"), await bringUp(store, "beta")];
      const members = membersOf(alpha, 1);
      await store.rooms.join(alpha.lease, "game", members);
      await store.rooms.join(alpha.lease, "game", members, FIRST);
      const made = await store.roomRecords.get("game");
      for (const [server, joining] of [[alpha, members] as const, [beta, membersOf(beta, 1)] as const]) {
        const before = await store.roomRecords.get("game");
        await letTimePass(SHORT_MS / 4);
        await store.rooms.join(server.lease, "game", joining, OTHER);
        const after = await store.roomRecords.get("game");
        expect(after).toEqual({ ...made, lastActivity: after?.lastActivity });
        expect(after?.lastActivity).toBeGreaterThan(before?.lastActivity ?? Number.NaN);
      }
      expect(await store.counts.of("roomRecords")).toBe(1);
    });

    it("makes one record when many join at once", async ({ store, peer }) => {
      const other = await peer();
      const sides = [
        { rooms: store.rooms, server: await bringUp(store, "alpha") },
        { rooms: other.rooms, server: await bringUp(other, "beta") },
      ];
      const versions = new Set<number | undefined>();
      const join = async (i: number) => {
        const side = sides[i % 2];
        const options = { record: String(i), quiet: i % 3 === 0 };
        await side?.rooms.join(side.server.lease, "game", membersOf(side.server, 1), options);
        versions.add((await store.roomRecords.get("game"))?.version);
      };
      await Promise.all(times(20, join));
      expect(await store.counts.of("roomRecords")).toBe(1);
      expect([...versions]).toEqual([(await store.roomRecords.get("game"))?.version]);
    });

    for (const reason of ["left", "closed"] as const) {
      it(`goes with the last member that is gone as ${reason}, and leaves nothing behind`, async (harness) => {
        const { store, storedEntries } = harness;
        const [alpha, beta] = [await bringUp(store, "alpha"), await bringUp(store, "beta")];
        const before = await storedEntries();
        const [mine, theirs] = [membersOf(alpha, 2), membersOf(beta, 1)];
        await store.rooms.join(alpha.lease, "game", mine, FIRST);
        await store.rooms.join(beta.lease, "game", theirs);
        const { version } = await recordOf(store);
        await store.rooms.leave(alpha.lease, "game", mine, reason);
        expect(await recordOf(store)).toMatchObject({ value: FIRST.record, version });
        await store.rooms.leave(beta.lease, "game", theirs, reason);
        expect(await store.roomRecords.get("game")).toBeUndefined();
        expect(await store.counts.of("roomRecords")).toBe(0);
        expect(await outcomeOf(store.roomRecords.compareAndSet("game", version, "1"))).toBe("not-found");
        expect(await store.roomRecords.get("game", { touch: true })).toBeUndefined();
        expect(await storedEntries()).toBe(before);
      });
    }

    it("goes with the last member that is evicted", async (harness) => {
      const { store, storedEntries } = harness;
      const [dead, living] = [await bringUp(store, "dead"), await bringUp(store, "living")];
      const stays = membersOf(living, 1);
      const before = await storedEntries();
      await store.rooms.join(dead.lease, "theirs", membersOf(dead, 2), FIRST);
      await store.rooms.join(dead.lease, "shared", membersOf(dead, 2), FIRST);
      await store.rooms.join(living.lease, "shared", stays);
      await letDie(harness, dead);
      const claim = await claimDead(store, "dead");
      for (const room of ["theirs", "shared"]) await store.upkeep.projection.evict(claim, { room });
      expect(await store.roomRecords.get("theirs")).toBeUndefined();
      expect(await store.roomRecords.get("shared")).toMatchObject({ value: FIRST.record });
      expect(await store.counts.of("roomRecords")).toBe(1);
      await store.rooms.leave(living.lease, "shared", stays);
      expect(await storedEntries()).toBe(before);
    });

    it("starts again in a room that was empty in between, with a version that was never used", async ({ store }) => {
      const [alpha, beta] = [await bringUp(store, "alpha"), await bringUp(store, "beta")];
      const members = membersOf(alpha, 1);
      await store.rooms.join(alpha.lease, "game", members, FIRST);
      const first = await recordOf(store);
      const { record: second } = await store.roomRecords.compareAndSet("game", first.version, "2");
      await store.rooms.leave(alpha.lease, "game", members);
      await store.rooms.join(beta.lease, "game", membersOf(beta, 1), OTHER);
      const anew = await recordOf(store);
      expect(anew.value).toBe(OTHER.record);
      expect(anew.version).toBeGreaterThan(second.version);
      for (const { version } of [first, second]) {
        expect(await store.roomRecords.compareAndSet("game", version, "3")).toEqual({ isSet: false, record: anew });
      }
    });

    it("sets a value if the version is the expected one, else says what is there", async ({ store, peer }) => {
      const alpha = await bringUp(store, "alpha");
      await store.rooms.join(alpha.lease, "game", membersOf(alpha, 1), FIRST);
      const { roomRecords } = await peer();
      const made = await recordOf(store);
      const { isSet, record } = await roomRecords.compareAndSet("game", made.version, "2");
      expect(isSet).toBe(true);
      expect(record).toEqual({ ...made, value: "2", version: record.version, lastActivity: record.lastActivity });
      expect(record.version).toBeGreaterThan(made.version);
      expect(await recordOf(store)).toEqual(record);
      for (const version of [made.version, 0, record.version + 1]) {
        expect(await store.roomRecords.compareAndSet("game", version, "3")).toEqual({ isSet: false, record });
      }
      expect(await recordOf(store)).toEqual(record);
      expect(await outcomeOf(store.roomRecords.compareAndSet("unknown", record.version, "3"))).toBe("not-found");
      const again = await store.roomRecords.compareAndSet("game", record.version, "2");
      expect(again.record.version).toBeGreaterThan(record.version);
    });

    it("lets exactly one of many concurrent writers win", async ({ store, peer }) => {
      const alpha = await bringUp(store, "alpha");
      await store.rooms.join(alpha.lease, "game", membersOf(alpha, 1), FIRST);
      const { version } = await recordOf(store);
      const stores = [store, await peer()];
      const outcomes = await Promise.all(
        times(20, (i) => (stores[i % 2] ?? store).roomRecords.compareAndSet("game", version, String(i))),
      );
      const now = await recordOf(store);
      const winners = outcomes.flatMap(({ isSet }, i) => (isSet ? [String(i)] : []));
      expect(winners).toEqual([now.value]);
      expect(outcomes.map(({ record }) => record)).toEqual(outcomes.map(() => now));
    });

    it("refuses values that are too long, and takes the longest", async ({ store }) => {
      const alpha = await bringUp(store, "alpha");
      const [longest, tooLong] = ["é".repeat(ROOM_RECORD_MAX_BYTES / 2), `a${"é".repeat(ROOM_RECORD_MAX_BYTES / 2)}`];
      const join = (record: string) => store.rooms.join(alpha.lease, "game", membersOf(alpha, 1), { record });
      expect(await outcomeOf(join(tooLong))).toBe("payload-too-large");
      expect(await store.rooms.count("game")).toBe(0);
      await join(longest);
      const { version, value } = await recordOf(store);
      expect(value).toBe(longest);
      expect(await outcomeOf(store.roomRecords.compareAndSet("game", version, tooLong))).toBe("payload-too-large");
      const lost = { ...lostRecord("game"), value: tooLong };
      expect(await outcomeOf(store.roomRecords.restore(alpha.lease, [lost]))).toBe("payload-too-large");
      expect(await recordOf(store)).toMatchObject({ version, value });
    });

    it("counts values that are set and touches as activity", async ({ store, letTimePass }) => {
      const alpha = await bringUp(store, "alpha");
      await store.rooms.join(alpha.lease, "game", membersOf(alpha, 1), FIRST);
      const made = await recordOf(store);
      await letTimePass(SHORT_MS / 4);
      const { record: set } = await store.roomRecords.compareAndSet("game", made.version, "2");
      await letTimePass(SHORT_MS / 4);
      await store.roomRecords.compareAndSet("game", made.version, "3");
      expect(await recordOf(store)).toEqual(set);
      const touched = await store.roomRecords.get("game", { touch: true });
      if (touched === undefined) throw new Error("The room has a record.");
      expect(await recordOf(store)).toEqual(touched);
      expect(set.lastActivity).toBeGreaterThan(made.lastActivity);
      expect(touched.lastActivity).toBeGreaterThan(set.lastActivity);
      expect(touched).toEqual({ ...set, lastActivity: touched.lastActivity });
    });

    it("restores what is missing, if the room has members, and overwrites nothing", async ({ store, peer }) => {
      const alpha = await bringUp(store, "alpha");
      await store.rooms.join(alpha.lease, "lost", membersOf(alpha, 1));
      await store.rooms.join(alpha.lease, "kept", membersOf(alpha, 1), FIRST);
      const kept = await store.roomRecords.get("kept");
      const records = ["lost", "kept", "empty"].map(lostRecord);
      await store.roomRecords.restore(alpha.lease, records);
      const { roomRecords, counts } = await peer();
      const restored = await roomRecords.get("lost");
      expect(restored).toEqual({ ...lostRecord("lost"), version: restored?.version });
      expect(restored?.version).toBeGreaterThan(kept?.version ?? Number.NaN);
      await store.roomRecords.restore(alpha.lease, records);
      await store.roomRecords.restore(alpha.lease, []);
      expect(await roomRecords.get("lost")).toEqual(restored);
      expect(await roomRecords.get("kept")).toEqual(kept);
      expect(await roomRecords.get("empty")).toBeUndefined();
      expect(await counts.of("roomRecords")).toBe(2);
      expect(await roomRecords.compareAndSet("lost", restored?.version ?? 0, "2")).toMatchObject({
        isSet: true,
        record: { value: "2", createdAt: 1000 },
      });
    });

    it("refuses to make or restore records under a lease that expired", async (harness) => {
      const { store } = harness;
      const [alpha, beta] = [await bringUp(store, "alpha"), await bringUp(store, "beta")];
      await store.rooms.join(beta.lease, "game", membersOf(beta, 1));
      const lease = await letDie(harness, alpha);
      expect(await outcomeOf(store.rooms.join(lease, "game", membersOf(alpha, 1), FIRST))).toBe("lease-lost");
      expect(await outcomeOf(store.roomRecords.restore(lease, [lostRecord("game")]))).toBe("lease-lost");
      expect(await store.counts.of("roomRecords")).toBe(0);
    });

    it("keeps records of rooms of awkward names apart", async ({ store }) => {
      const alpha = await bringUp(store, "alpha");
      for (const room of AWKWARD_NAMES)
        await store.rooms.join(alpha.lease, room, membersOf(alpha, 1), { record: room });
      expect(await store.counts.of("roomRecords")).toBe(AWKWARD_NAMES.length);
      const { version = 0 } = (await store.roomRecords.get("a")) ?? {};
      await store.roomRecords.compareAndSet("a", version, "another");
      for (const room of AWKWARD_NAMES) {
        expect(await store.roomRecords.get(room)).toMatchObject({ room, value: room === "a" ? "another" : room });
      }
    });
  });
}

function lostRecord(room: string): LostRoomRecord {
  return { room, value: '"lost"', createdAt: 1000, lastActivity: 2000 };
}

async function recordOf({ roomRecords }: Store) {
  const record = await roomRecords.get("game");
  if (record === undefined) throw new Error("There is no such record.");
  return record;
}
