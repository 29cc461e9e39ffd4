import { type PageRequest, type PresenceChange, partitionOf, type Store, type UserState } from "@cm/protocol";
import { describe, expect } from "vitest";
import { hearUsers } from "../announcement-recorder.js";
import { readPages } from "../page-reading.js";
import type { HarnessFactory } from "../store-harness.js";
import { bringUp, LONG_MS, letDie, outcomeOf, passUntil, SHORT_MS, scenarios, times } from "../store-scenarios.js";
import { AT_ONCE, byConnection, connectionOf, connectionsOf, idsOf, usersOfOneFeed } from "./sample-users.js";

/** Contract tests for `UserDirectory` about reading users' states, individually and in pages. */
export function describePresenceReading(name: string, createHarness: HarnessFactory): void {
  const it = scenarios(createHarness);

  describe(`${name}: reading presence`, () => {
    it("returns states in the requested order, including unknown users", async ({ store, peer }) => {
      const alpha = await bringUp(store, "alpha");
      const [phone, desk] = [connectionOf(alpha, "ann", '{"device":"phone"}'), connectionOf(alpha, "ann")];
      const bobs = connectionOf(alpha, "bob", "null");
      await store.users.add(alpha.lease, [phone, desk, bobs]);
      const states = await (await peer()).users.states(["nobody", "bob", "ann", "bob"]);
      expect(states.map(({ userId }) => userId)).toEqual(["nobody", "bob", "ann", "bob"]);
      const connections = states.map((state) => byConnection(state.connections));
      expect(connections).toEqual([[], [bobs], byConnection([phone, desk]), [bobs]]);
      expect(states.every(({ isLeaving, lastSeen }) => !isLeaving && lastSeen === undefined)).toBe(true);
    });

    it("takes none and 1,000 users at once, and refuses more", async ({ store }) => {
      const alpha = await bringUp(store, "alpha");
      const userIds = times(1001, (i) => `user-${i}`);
      await store.users.add(
        alpha.lease,
        userIds.map((userId) => connectionOf(alpha, userId)),
      );
      expect(await store.users.states([])).toEqual([]);
      const states = await store.users.states(userIds.slice(0, 1000));
      expect(states.map(({ userId }) => userId)).toEqual(userIds.slice(0, 1000));
      expect(states.every(({ connections }) => connections.length === 1)).toBe(true);
      expect(await outcomeOf(store.users.states(userIds))).toBe("options-invalid");
    });

    it("remembers when a user was last online, until the user is online again", async (harness) => {
      const { store } = harness;
      const alpha = await bringUp(store, "alpha");
      const feed = await hearUsers(store, ["ann", "bob"]);
      const [anns, bobs] = [connectionOf(alpha, "ann"), connectionOf(alpha, "bob")];
      await store.users.add(alpha.lease, [anns, bobs]);
      await store.users.remove(alpha.lease, [anns], AT_ONCE);
      await store.users.remove(alpha.lease, [bobs], { graceMs: SHORT_MS });
      await passUntil(
        harness,
        async () =>
          (await store.upkeep.projection.endGracePeriods([partitionOf("bob", store.partitions)])) === undefined,
      );
      const changes = await feed.heard();
      for (const state of await store.users.states(["ann", "bob"])) {
        const moments = changes.filter(({ userId }) => userId === state.userId).map(({ at }) => at);
        expect(state.lastSeen).toBeGreaterThanOrEqual(moments[0] ?? Number.NaN);
        expect(state.lastSeen).toBeLessThanOrEqual(moments.at(-1) ?? Number.NaN);
      }
      await store.users.add(alpha.lease, [anns]);
      expect(await store.users.states(["ann", "never"])).toMatchObject([
        { lastSeen: undefined },
        { lastSeen: undefined },
      ]);
    });

    it("leaves out the connections of a dead server", async (harness) => {
      const { store } = harness;
      const [dead, living] = [await bringUp(store, "dead"), await bringUp(store, "living")];
      const stays = connectionOf(living, "ann", "1");
      await store.users.add(dead.lease, [...connectionsOf(dead, "ann", 2), ...connectionsOf(dead, "bob", 1)]);
      await store.users.add(living.lease, [stays]);
      await letDie(harness, dead);
      const states = await (await harness.peer()).users.states(["ann", "bob"]);
      expect(states).toMatchObject([
        { connections: [stays] },
        { connections: [], isLeaving: false, lastSeen: undefined },
      ]);
      expect(await readOnline(store, 10)).toMatchObject([{ userId: "ann", connections: [stays] }]);
    });

    it("returns one moment of a feed, which its changes up to the version lead to", async ({ store, peer }) => {
      const other = await peer();
      const alpha = await bringUp(other, "alpha");
      const userIds = usersOfOneFeed(store, 3);
      const feed = await hearUsers(store, userIds);
      const readings: UserState[][] = [];
      await Promise.all([
        ...userIds.map(async (userId, user) => {
          const connections = connectionsOf(alpha, userId, 4);
          for (let i = 0; i < 40; i++) {
            await other.users.add(alpha.lease, connections.slice(i % 3));
            await other.users.remove(alpha.lease, connections, { graceMs: (i + user) % 2 === 0 ? 0 : LONG_MS });
          }
        }),
        ...times(4, async () => {
          for (let i = 0; i < 25; i++) readings.push(await store.users.states(userIds));
        }),
      ]);
      const changes = await feed.heard();
      for (const states of readings) {
        const version = states[0]?.version ?? Number.NaN;
        expect(states.map((state) => state.version)).toEqual([version, version, version]);
        const until = changes.filter((change) => change.version <= version);
        expect(states.map(outline)).toEqual(userIds.map((userId) => replay(userId, until)));
      }
      const [after] = await store.users.states(userIds);
      expect(after?.version).toBeGreaterThanOrEqual(changes.at(-1)?.version ?? Number.NaN);
      await other.users.add(alpha.lease, connectionsOf(alpha, userIds[0] ?? "", 1));
      expect((await feed.heard()).at(-1)?.version).toBeGreaterThan(after?.version ?? Number.NaN);
    });

    for (const limit of [1, 7, 1000]) {
      it(`returns each lasting user once in pages of ${limit}, while others come and go`, async ({ store, peer }) => {
        const other = await peer();
        const [alpha, beta] = [await bringUp(store, "alpha"), await bringUp(other, "beta")];
        const staying = times(60, (i) => `stays-${i}`);
        const going = times(60, (i) => connectionOf(beta, `goes-${i}`));
        await store.users.add(
          alpha.lease,
          staying.flatMap((userId, i) => connectionsOf(alpha, userId, 1 + (i % 3))),
        );
        await store.users.add(alpha.lease, connectionsOf(alpha, "everywhere", 40));
        await other.users.add(beta.lease, going);
        let coming = 0;
        const seen = await readOnline(store, limit, undefined, async () => {
          await other.users.remove(beta.lease, going.splice(0, 3), AT_ONCE);
          // A further connection does not make a user come online again.
          await other.users.add(beta.lease, connectionsOf(beta, staying[coming % 60] ?? "", 1));
          if (coming < 200) await other.users.add(beta.lease, connectionsOf(beta, `comes-${coming++}`, 1));
        });
        const stayed = seen.map(({ userId }) => userId).filter((userId) => /^(stays|everywhere)/.test(userId));
        expect(stayed.sort()).toEqual([...staying, "everywhere"].sort());
        expect(seen.find(({ userId }) => userId === "everywhere")?.connections).toHaveLength(40);
      });
    }

    it("returns the states of exactly the users that are online, including leaving ones", async (harness) => {
      const { store } = harness;
      const alpha = await bringUp(store, "alpha");
      const [anns, bobs, cats] = ["ann", "bob", "cat"].map((userId) => connectionOf(alpha, userId, `"${userId}"`));
      if (anns === undefined || bobs === undefined || cats === undefined) throw new Error("three users");
      await store.users.add(alpha.lease, [anns, bobs, cats]);
      await store.users.remove(alpha.lease, [bobs], { graceMs: LONG_MS });
      await store.users.remove(alpha.lease, [cats], AT_ONCE);
      const online = await readOnline(await harness.peer(), 10);
      expect(byUser(online)).toEqual(byUser(await store.users.states(["ann", "bob"])));
    });

    it("returns the users of one feed alone, and all of them over all feeds", async ({ store, peer }) => {
      const other = await peer();
      const alpha = await bringUp(store, "alpha");
      const userIds = times(100, (i) => `user-${i}`);
      await store.users.add(
        alpha.lease,
        userIds.map((userId) => connectionOf(alpha, userId)),
      );
      expect(other.partitions).toBe(store.partitions);
      const partitions = [...new Set(userIds.map((userId) => partitionOf(userId, store.partitions)))];
      expect(Math.min(...partitions)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...partitions)).toBeLessThan(store.partitions);
      for (const partition of partitions) {
        const seen = (await readOnline(store, 3, partition)).map(({ userId }) => userId);
        expect(seen.sort()).toEqual(
          userIds.filter((userId) => partitionOf(userId, store.partitions) === partition).sort(),
        );
      }
    });

    it("refuses a limit outside of 1 to 1,000 and a cursor that it did not give", async ({ store }) => {
      const alpha = await bringUp(store, "alpha");
      await store.users.add(
        alpha.lease,
        times(5, (i) => connectionOf(alpha, `user-${i}`)),
      );
      const bad: PageRequest[] = [
        ...[0, -1, 1.5, 1001, Number.NaN, Number.POSITIVE_INFINITY].map((limit) => ({ limit })),
        ...["", "?", "not a cursor", "{}", "\u0000", "👋", "(", "-1", "x".repeat(10_000)].map((cursor) => ({
          limit: 2,
          cursor,
        })),
      ];
      for (const page of bad) {
        expect(await outcomeOf(store.users.online(page)), JSON.stringify(page)).toBe("options-invalid");
      }
    });
  });
}

/** Reads the online users to the end, and calls `between` before each further page. */
function readOnline(
  { users }: Store,
  limit: number,
  partition?: number,
  between?: () => Promise<void>,
): Promise<UserState[]> {
  return readPages((page) => users.online(page, partition), limit, between);
}

function byUser(states: readonly UserState[]): UserState[] {
  return [...states].sort((a, b) => (a.userId < b.userId ? -1 : 1));
}

function outline({ connections, isLeaving }: UserState): string {
  return `${idsOf(connections)} ${isLeaving ? "leaving" : ""}`;
}

/** The state that results from a user's changes, in the form of {@link outline}. */
function replay(userId: string, changes: readonly PresenceChange[]): string {
  const connections = new Set<string>();
  let last: PresenceChange | undefined;
  for (const change of changes.filter((each) => each.userId === userId)) {
    last = change;
    if (change.connectionId === undefined) continue;
    if (change.kind === "closed" || change.kind === "offline") connections.delete(change.connectionId);
    else connections.add(change.connectionId);
  }
  const isLeaving = connections.size === 0 && last?.kind === "closed";
  return `${[...connections].sort()} ${isLeaving ? "leaving" : ""}`;
}
