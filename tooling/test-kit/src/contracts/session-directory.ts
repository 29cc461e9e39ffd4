import { GAME_STATES, GAME_TRANSITIONS, type GameState, type SessionRecord, type Store } from "@cm/protocol";
import { describe, expect } from "vitest";
import { AWKWARD_NAMES } from "./awkward-names.js";
import type { HarnessFactory } from "./harness.js";
import { membersOf } from "./room-members.js";
import { bringUp, claimDead, letDie, outcomeOf, SHORT_MS, scenarios, times } from "./scenario.js";

const AS_GAME = { session: true };

/** The transitions that lead from a new session to each state. */
const WAY_TO: Readonly<Record<GameState, readonly GameState[]>> = {
  waiting: [],
  active: ["active"],
  paused: ["active", "paused"],
  completed: ["completed"],
};

/** The promises of `SessionDirectory`, and of rooms about their sessions. */
export function describeSessionDirectory(name: string, createHarness: HarnessFactory): void {
  const it = scenarios(createHarness);

  describe(`${name}: session directory`, () => {
    it("gets a session from the join that asks for one, and from no other", async ({ store, peer }) => {
      const alpha = await bringUp(store, "alpha");
      const members = membersOf(alpha, 2);
      await store.rooms.join(alpha.lease, "plain", members);
      await store.rooms.join(alpha.lease, "nobody", [], AS_GAME);
      await store.rooms.join(alpha.lease, "game", members, AS_GAME);
      for (const { sessions } of [store, await peer()]) {
        expect(await sessions.get("plain")).toBeUndefined();
        expect(await sessions.get("nobody")).toBeUndefined();
        const session = await sessions.get("game");
        expect(session).toMatchObject({ id: "game", state: "waiting", serverInstance: "alpha" });
        expect(session?.createdAt).toBeGreaterThan(0);
        expect(session?.lastActivity).toBe(session?.createdAt);
        expect(await sessions.count()).toBe(1);
      }
    });

    it("keeps the session that is there over further joins, which count as activity", async (harness) => {
      const { store, letTimePass } = harness;
      const [alpha, beta] = [await bringUp(store, "alpha"), await bringUp(store, "beta")];
      const members = membersOf(alpha, 1);
      await store.rooms.join(alpha.lease, "game", members);
      await store.rooms.join(alpha.lease, "game", members, AS_GAME);
      const made = await store.sessions.get("game");
      for (const [server, joining] of [[alpha, members] as const, [beta, membersOf(beta, 1)] as const]) {
        const before = await store.sessions.get("game");
        await letTimePass(SHORT_MS / 4);
        await store.rooms.join(server.lease, "game", joining, AS_GAME);
        const after = await store.sessions.get("game");
        expect(after).toEqual({ ...made, lastActivity: after?.lastActivity });
        expect(after?.lastActivity).toBeGreaterThan(before?.lastActivity ?? Number.NaN);
      }
      expect(await store.sessions.count()).toBe(1);
    });

    it("makes one session when many join at once", async ({ store, peer }) => {
      const other = await peer();
      const sides = [
        { rooms: store.rooms, server: await bringUp(store, "alpha") },
        { rooms: other.rooms, server: await bringUp(other, "beta") },
      ];
      const join = async (i: number) => {
        const side = sides[i % 2];
        await side?.rooms.join(side.server.lease, "game", membersOf(side.server, 1), {
          session: true,
          quiet: i % 3 === 0,
        });
      };
      await Promise.all(times(20, join));
      expect(await store.sessions.count()).toBe(1);
      expect(["alpha", "beta"]).toContain((await store.sessions.get("game"))?.serverInstance);
    });

    it("goes with the last member that leaves, and leaves nothing behind", async ({ store, storedThings }) => {
      const [alpha, beta] = [await bringUp(store, "alpha"), await bringUp(store, "beta")];
      const before = await storedThings();
      const [mine, theirs] = [membersOf(alpha, 2), membersOf(beta, 1)];
      await store.rooms.join(alpha.lease, "game", mine, AS_GAME);
      await store.rooms.join(beta.lease, "game", theirs);
      await store.rooms.leave(alpha.lease, "game", mine);
      expect(await store.sessions.get("game")).toMatchObject({ serverInstance: "alpha" });
      await store.rooms.leave(beta.lease, "game", theirs);
      expect(await store.sessions.get("game")).toBeUndefined();
      expect(await store.sessions.count()).toBe(0);
      expect(await outcomeOf(store.sessions.transition("game", "active"))).toBe("not-found");
      expect(await store.sessions.touch("game")).toBe(false);
      expect(await storedThings()).toBe(before);
    });

    it("goes with the last member that is evicted", async (harness) => {
      const { store, storedThings } = harness;
      const [dead, living] = [await bringUp(store, "dead"), await bringUp(store, "living")];
      const stays = membersOf(living, 1);
      const before = await storedThings();
      await store.rooms.join(dead.lease, "theirs", membersOf(dead, 2), AS_GAME);
      await store.rooms.join(dead.lease, "shared", membersOf(dead, 2), AS_GAME);
      await store.rooms.join(living.lease, "shared", stays);
      await letDie(harness, dead);
      const claim = await claimDead(store, "dead");
      for (const room of ["theirs", "shared"]) await store.rooms.evict(claim, room);
      expect(await store.sessions.get("theirs")).toBeUndefined();
      expect(await store.sessions.get("shared")).toMatchObject({ serverInstance: "dead" });
      expect(await store.sessions.count()).toBe(1);
      await store.rooms.leave(living.lease, "shared", stays);
      expect(await storedThings()).toBe(before);
    });

    it("starts anew in a room that was empty in between", async ({ store }) => {
      const [alpha, beta] = [await bringUp(store, "alpha"), await bringUp(store, "beta")];
      const members = membersOf(alpha, 1);
      await store.rooms.join(alpha.lease, "game", members, AS_GAME);
      await store.sessions.transition("game", "active");
      await store.rooms.leave(alpha.lease, "game", members);
      await store.rooms.join(beta.lease, "game", membersOf(beta, 1), AS_GAME);
      expect(await store.sessions.get("game")).toMatchObject({ state: "waiting", serverInstance: "beta" });
    });

    for (const from of GAME_STATES) {
      it(`leads from ${from} to ${GAME_TRANSITIONS[from].join(" and ") || "nowhere"}`, async ({ store }) => {
        const alpha = await bringUp(store, "alpha");
        for (const to of GAME_STATES) {
          const game = `to ${to}`;
          await store.rooms.join(alpha.lease, game, membersOf(alpha, 1), AS_GAME);
          for (const step of WAY_TO[from]) await store.sessions.transition(game, step);
          const before = await store.sessions.get(game);
          if (GAME_TRANSITIONS[from].includes(to)) {
            const moved = await store.sessions.transition(game, to);
            expect(moved).toEqual({ ...before, state: to, lastActivity: moved.lastActivity });
            expect(await store.sessions.get(game)).toEqual(moved);
          } else {
            const refusal: unknown = await store.sessions.transition(game, to).catch((error) => error);
            expect(refusal).toMatchObject({ code: "transition-invalid", details: { from } });
            expect(await store.sessions.get(game)).toEqual(before);
          }
        }
        expect(await outcomeOf(store.sessions.transition("unknown", from))).toBe("not-found");
      });
    }

    it("lets one of many win that move a session at once", async ({ store, peer }) => {
      const alpha = await bringUp(store, "alpha");
      await store.rooms.join(alpha.lease, "game", membersOf(alpha, 1), AS_GAME);
      const stores = [store, await peer()];
      const outcomes = await Promise.all(
        times(20, (i) => outcomeOf((stores[i % 2] ?? store).sessions.transition("game", "active"))),
      );
      expect(outcomes.sort()).toEqual(["done", ...times(19, () => "transition-invalid")]);
    });

    it("counts transitions and touches as activity", async ({ store, letTimePass }) => {
      const alpha = await bringUp(store, "alpha");
      await store.rooms.join(alpha.lease, "game", membersOf(alpha, 1), AS_GAME);
      const seen = [await activityOf(store)];
      await letTimePass(SHORT_MS / 4);
      await store.sessions.transition("game", "active");
      seen.push(await activityOf(store));
      await letTimePass(SHORT_MS / 4);
      expect(await store.sessions.touch("game")).toBe(true);
      seen.push(await activityOf(store));
      expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b));
      expect(await store.sessions.get("game")).toMatchObject({ state: "active", createdAt: seen[0] });
    });

    it("restores what is missing, where the room has members, and overwrites nothing", async ({ store, peer }) => {
      const alpha = await bringUp(store, "alpha");
      await store.rooms.join(alpha.lease, "lost", membersOf(alpha, 1));
      await store.rooms.join(alpha.lease, "kept", membersOf(alpha, 1), AS_GAME);
      const kept = await store.sessions.get("kept");
      const records = ["lost", "kept", "empty"].map(recordOf);
      for (let i = 0; i < 2; i++) await store.sessions.restore(alpha.lease, records);
      await store.sessions.restore(alpha.lease, []);
      const { sessions } = await peer();
      expect(await sessions.get("lost")).toEqual(recordOf("lost"));
      expect(await sessions.get("kept")).toEqual(kept);
      expect(await sessions.get("empty")).toBeUndefined();
      expect(await sessions.count()).toBe(2);
      expect(await sessions.transition("lost", "active")).toMatchObject({ state: "active", createdAt: 1000 });
    });

    it("refuses to make or restore sessions under a lease that ran out", async (harness) => {
      const { store } = harness;
      const [alpha, beta] = [await bringUp(store, "alpha"), await bringUp(store, "beta")];
      await store.rooms.join(beta.lease, "game", membersOf(beta, 1));
      const lease = await letDie(harness, alpha);
      expect(await outcomeOf(store.rooms.join(lease, "game", membersOf(alpha, 1), AS_GAME))).toBe("lease-lost");
      expect(await outcomeOf(store.sessions.restore(lease, [recordOf("game")]))).toBe("lease-lost");
      expect(await store.sessions.count()).toBe(0);
    });

    it("keeps games of awkward names apart", async ({ store }) => {
      const alpha = await bringUp(store, "alpha");
      for (const game of AWKWARD_NAMES) await store.rooms.join(alpha.lease, game, membersOf(alpha, 1), AS_GAME);
      expect(await store.sessions.count()).toBe(AWKWARD_NAMES.length);
      await store.sessions.transition("a", "active");
      for (const id of AWKWARD_NAMES) {
        expect(await store.sessions.get(id)).toMatchObject({ id, state: id === "a" ? "active" : "waiting" });
      }
    });
  });
}

function recordOf(id: string): SessionRecord {
  return { id, state: "paused", createdAt: 1000, lastActivity: 2000, serverInstance: "elsewhere" };
}

async function activityOf({ sessions }: Store): Promise<number> {
  return (await sessions.get("game"))?.lastActivity ?? Number.NaN;
}
