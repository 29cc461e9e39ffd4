import type { PageRequest, RoomMember, Store } from "@cm/protocol";
import { describe, expect } from "vitest";
import { readPages } from "../page-reading.js";
import type { HarnessFactory } from "../store-harness.js";
import { bringUp, letDie, outcomeOf, scenarios } from "../store-scenarios.js";
import { byId, membersOf } from "./sample-members.js";

/** Contract tests for `RoomDirectory.members` about reading in pages. */
export function describeRoomPaging(name: string, createHarness: HarnessFactory): void {
  const it = scenarios(createHarness);

  describe(`${name}: reading a room in pages`, () => {
    for (const limit of [1, 7, 1000]) {
      it(`returns every member once in pages of ${limit}`, async ({ store }) => {
        const alpha = await bringUp(store, "alpha");
        const beta = await bringUp(store, "beta");
        const members = [...membersOf(alpha, 130), ...membersOf(beta, 131)];
        await store.rooms.join(alpha.lease, "lobby", members.slice(0, 130));
        await store.rooms.join(beta.lease, "lobby", members.slice(130));
        expect(byId(await readAll(store, "lobby", limit))).toEqual(byId(members));
      });

      it(`returns each lasting member once in pages of ${limit}, while others join and leave`, async (harness) => {
        const { store } = harness;
        const other = await harness.peer();
        const [alpha, beta] = [await bringUp(store, "alpha"), await bringUp(other, "beta")];
        const [staying, leaving] = [membersOf(alpha, 90), membersOf(beta, 90)];
        // The members who leave later are placed between the members who stay.
        for (let i = 0; i < 90; i += 10) {
          await store.rooms.join(alpha.lease, "lobby", staying.slice(i, i + 10));
          await other.rooms.join(beta.lease, "lobby", leaving.slice(i, i + 10));
        }
        const everSeen = new Set([...staying, ...leaving].map(({ connectionId }) => connectionId));
        const seen = await readAll(store, "lobby", limit, async (page) => {
          // The room grows beyond every size at which a store may change its encoding.
          const coming = membersOf(beta, page < 60 ? 8 : 0);
          for (const { connectionId } of coming) everSeen.add(connectionId);
          const going = leaving.splice(0, 3);
          await Promise.all([
            other.rooms.join(beta.lease, "lobby", coming),
            other.rooms.leave(beta.lease, "lobby", going),
            // Joining again changes nothing and moves no member.
            store.rooms.join(alpha.lease, "lobby", staying.slice(page % 90, (page % 90) + 5)),
          ]);
        });
        const stayedIds = new Set(staying.map(({ connectionId }) => connectionId));
        expect(byId(seen.filter(({ connectionId }) => stayedIds.has(connectionId)))).toEqual(byId(staying));
        expect(seen.filter(({ connectionId }) => !everSeen.has(connectionId))).toEqual([]);
      });

      it(`returns each remaining member once in pages of ${limit} while the others leave`, async ({ store }) => {
        const alpha = await bringUp(store, "alpha");
        const members = membersOf(alpha, 600);
        await store.rooms.join(alpha.lease, "lobby", members);
        const staying = members.filter((_, i) => i % 10 === 9);
        const leaving = members.filter((_, i) => i % 10 !== 9);
        const seen = await readAll(store, "lobby", limit, async () => {
          const going = leaving.splice(0, 60);
          if (going.length > 0) await store.rooms.leave(alpha.lease, "lobby", going);
        });
        const stayedIds = new Set(staying.map(({ connectionId }) => connectionId));
        expect(byId(seen.filter(({ connectionId }) => stayedIds.has(connectionId)))).toEqual(byId(staying));
      });
    }

    it("continues in another store with the cursor of the first", async ({ store, peer }) => {
      const alpha = await bringUp(store, "alpha");
      const members = membersOf(alpha, 10);
      await store.rooms.join(alpha.lease, "lobby", members);
      const first = await store.rooms.members("lobby", { limit: 4 });
      const rest = await (await peer()).rooms.members("lobby", { limit: 1000, cursor: first.cursor });
      expect(byId([...first.items, ...rest.items])).toEqual(byId(members));
      expect(rest.cursor).toBeUndefined();
    });

    it("ends if the room empties during the reading", async ({ store }) => {
      const alpha = await bringUp(store, "alpha");
      const members = membersOf(alpha, 10);
      await store.rooms.join(alpha.lease, "lobby", members);
      const { cursor } = await store.rooms.members("lobby", { limit: 4 });
      expect(cursor).toBeTypeOf("string");
      await store.rooms.leave(alpha.lease, "lobby", members);
      expect(await store.rooms.members("lobby", { limit: 4, cursor })).toEqual({ items: [], cursor: undefined });
    });

    it("skips dead servers' members between the members of living servers", async (harness) => {
      const { store } = harness;
      const [living, dead] = [await bringUp(store, "living"), await bringUp(store, "dead")];
      const members = membersOf(living, 30);
      for (let i = 0; i < 30; i += 10) {
        await store.rooms.join(living.lease, "lobby", members.slice(i, i + 10));
        await store.rooms.join(dead.lease, "lobby", membersOf(dead, 50));
      }
      await letDie(harness, dead);
      for (const limit of [1, 7, 1000]) expect(byId(await readAll(store, "lobby", limit))).toEqual(byId(members));
    });

    it("refuses a limit outside of 1 to 1,000 and a cursor that it did not give", async ({ store }) => {
      const alpha = await bringUp(store, "alpha");
      await store.rooms.join(alpha.lease, "lobby", membersOf(alpha, 5));
      const { cursor } = await store.rooms.members("lobby", { limit: 2 });
      const badPages: PageRequest[] = [
        ...[0, -1, 1.5, 1001, 1e9, Number.NaN, Number.POSITIVE_INFINITY].map((limit) => ({ limit })),
        ...["", "?", "not a cursor", "{}", "[1]", "\u0000", "👋", "(", "-1", "x".repeat(10_000)].map((bad) => ({
          limit: 2,
          cursor: bad,
        })),
        { limit: 0, cursor },
      ];
      for (const room of ["lobby", "nowhere"]) {
        for (const page of badPages) {
          const outcome = await outcomeOf(store.rooms.members(room, page));
          expect(outcome, JSON.stringify({ room, ...page })).toBe("options-invalid");
        }
      }
    });
  });
}

/** Reads a room to the end, and calls `between` before each further page. */
function readAll(
  { rooms }: Store,
  room: string,
  limit: number,
  between?: (page: number) => Promise<void>,
): Promise<RoomMember[]> {
  return readPages((page) => rooms.members(room, page), limit, between);
}
