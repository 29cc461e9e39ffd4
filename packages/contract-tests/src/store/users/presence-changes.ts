import { describe, expect } from "vitest";
import { hearUsers } from "../announcement-recorder.js";
import { AWKWARD_NAMES } from "../awkward-names.js";
import { ODD_METADATA, textOf } from "../odd-metadata.js";
import type { HarnessFactory } from "../store-harness.js";
import { bringUp, claimDead, letDie, outcomeOf, scenarios, times } from "../store-scenarios.js";
import { AT_ONCE, connectionOf, connectionsOf, inShort, usersOfOneFeed } from "./sample-users.js";

/** Contract tests for `UserDirectory` about announcements. */
export function describePresenceChanges(name: string, createHarness: HarnessFactory): void {
  const it = scenarios(createHarness);

  describe(`${name}: presence changes`, () => {
    it("announces each connection that opens and closes, with its metadata", async ({ store, peer }) => {
      const alpha = await bringUp(store, "alpha");
      const feed = await hearUsers(await peer(), ["ann"]);
      const [first, second] = [connectionOf(alpha, "ann", '{"device":"phone"}'), connectionOf(alpha, "ann")];
      await store.users.add(alpha.lease, [first]);
      await store.users.add(alpha.lease, [second]);
      await store.users.remove(alpha.lease, [first], AT_ONCE);
      await store.users.remove(alpha.lease, [second], AT_ONCE);
      const changes = await feed.heard();
      expect(changes).toMatchObject([
        { kind: "online", connectionId: first.connectionId, metadata: { device: "phone" }, previousVersion: 0 },
        { kind: "opened", connectionId: second.connectionId, metadata: undefined },
        { kind: "closed", connectionId: first.connectionId, metadata: { device: "phone" } },
        { kind: "offline", connectionId: second.connectionId },
      ]);
      const moments = changes.map(({ at }) => at);
      expect(moments).toEqual([...moments].sort((a, b) => a - b));
      expect(new Set(changes.map(({ userId }) => userId))).toEqual(new Set(["ann"]));
    });

    it("announces nothing if nothing changes", async ({ store }) => {
      const alpha = await bringUp(store, "alpha");
      const known = connectionOf(alpha, "ann", "[1]");
      const unknown = [connectionOf(alpha, "ann", "[1]"), connectionOf(alpha, "bob", "[1]")];
      await store.users.add(alpha.lease, [known]);
      const feed = await hearUsers(store);
      await store.users.add(alpha.lease, [known, known]);
      await store.users.add(alpha.lease, []);
      await store.users.add(alpha.lease, [known], { onlyExisting: true });
      await store.users.add(alpha.lease, unknown, { onlyExisting: true });
      await store.users.remove(alpha.lease, unknown, AT_ONCE);
      await store.upkeep.projection.renew(alpha.lease, { users: ["ann", "bob"] });
      await store.upkeep.projection.endGracePeriods(times(store.partitions, (partition) => partition));
      expect(await feed.heard()).toEqual([]);
    });

    it("announces once an entry that is named twice in one call", async ({ store }) => {
      const alpha = await bringUp(store, "alpha");
      const feed = await hearUsers(store, ["ann"]);
      const connection = connectionOf(alpha, "ann", "1");
      const { connectionId } = connection;
      await store.users.add(alpha.lease, [connection, connection]);
      const said = { ...connection, metadata: "2" };
      await store.users.add(alpha.lease, [said, said], { onlyExisting: true });
      await store.users.remove(alpha.lease, [said, said], AT_ONCE);
      const expected = ["online", "updated", "offline"].map((kind) => `${kind} ann ${connectionId}`);
      expect(inShort(await feed.heard())).toEqual(expected);
    });

    it("announces new metadata, and the metadata that it replaces", async ({ store, peer }) => {
      const alpha = await bringUp(store, "alpha");
      const feed = await hearUsers(await peer(), ["ann"]);
      const connection = connectionOf(alpha, "ann");
      await store.users.add(alpha.lease, [connection]);
      for (const metadata of ['{"status":"away"}', '"busy"', undefined]) {
        await store.users.add(alpha.lease, [{ ...connection, metadata }], { onlyExisting: true });
      }
      // Adding a connection again with other metadata counts as an update.
      await store.users.add(alpha.lease, [{ ...connection, metadata: "7" }]);
      expect((await feed.heard()).slice(1)).toMatchObject([
        { kind: "updated", metadata: { status: "away" }, previousMetadata: undefined },
        { kind: "updated", metadata: "busy", previousMetadata: { status: "away" } },
        { kind: "updated", metadata: undefined, previousMetadata: "busy" },
        { kind: "updated", metadata: 7, previousMetadata: undefined },
      ]);
      expect(await store.users.states(["ann"])).toMatchObject([{ connections: [{ ...connection, metadata: "7" }] }]);
    });

    it("carries odd metadata unchanged, in changes and in states", async ({ store }) => {
      const alpha = await bringUp(store, "alpha");
      const feed = await hearUsers(store, ["ann"]);
      const connection = connectionOf(alpha, "ann");
      await store.users.add(alpha.lease, [connection]);
      await feed.forget();
      for (const metadata of ODD_METADATA) {
        await store.users.add(alpha.lease, [{ ...connection, metadata }], { onlyExisting: true });
        const [state] = await store.users.states(["ann"]);
        expect(state?.connections).toEqual([{ ...connection, metadata }]);
      }
      const changes = await feed.heard();
      const texts = ODD_METADATA.map((text) => textOf(JSON.parse(text)));
      expect(changes.map(({ metadata }) => textOf(metadata))).toEqual(texts);
      expect(changes.slice(1).map((change) => textOf(change.previousMetadata))).toEqual(texts.slice(0, -1));
    });

    it("carries awkward names of users, each on its own feed", async ({ store, peer }) => {
      const alpha = await bringUp(store, "alpha");
      const feed = await hearUsers(await peer());
      const connections = AWKWARD_NAMES.map((userId) => connectionOf(alpha, userId, JSON.stringify(userId)));
      await store.users.add(alpha.lease, connections);
      const changes = await feed.heard();
      const expected = connections.map(({ userId, connectionId }) => ["online", userId, connectionId, userId]);
      const told = changes.map(({ kind, userId, connectionId, metadata }) => [kind, userId, connectionId, metadata]);
      expect(told.map(textOf).sort()).toEqual(expected.map(textOf).sort());
    });

    it("adds without announcing if quiet is set, and continues the chain from there", async ({ store }) => {
      const alpha = await bringUp(store, "alpha");
      const feed = await hearUsers(store, ["ann"]);
      const [back, also, fresh] = [
        connectionOf(alpha, "ann", "1"),
        connectionOf(alpha, "ann"),
        connectionOf(alpha, "ann"),
      ];
      await store.users.add(alpha.lease, [back, also], { quiet: true });
      await store.users.add(alpha.lease, [{ ...back, metadata: "2" }], { quiet: true });
      await store.users.add(alpha.lease, [{ ...also, metadata: "3" }, fresh], { quiet: true, onlyExisting: true });
      expect(await feed.heard()).toEqual([]);
      expect(await store.counts.of("users")).toBe(1);
      await store.users.add(alpha.lease, [fresh]);
      await store.users.remove(alpha.lease, [back], AT_ONCE);
      expect(await feed.heard()).toMatchObject([
        { kind: "opened", connectionId: fresh.connectionId },
        { kind: "closed", connectionId: back.connectionId, metadata: 2 },
      ]);
    });

    it("announces the changes of a user on two servers to all in one order", async ({ store, peer }) => {
      const other = await peer();
      const [alpha, beta] = [await bringUp(store, "alpha"), await bringUp(other, "beta")];
      const feeds = [await hearUsers(store, ["ann"]), await hearUsers(other, ["ann"])];
      const [mine, theirs] = [connectionOf(alpha, "ann"), connectionOf(beta, "ann")];
      await store.users.add(alpha.lease, [mine]);
      await other.users.add(beta.lease, [theirs]);
      await store.users.remove(alpha.lease, [mine], AT_ONCE);
      await other.users.remove(beta.lease, [theirs], AT_ONCE);
      for (const feed of feeds) {
        expect(inShort(await feed.heard())).toEqual([
          `online ann ${mine.connectionId}`,
          `opened ann ${theirs.connectionId}`,
          `closed ann ${mine.connectionId}`,
          `offline ann ${theirs.connectionId}`,
        ]);
      }
    });

    it("numbers all changes of a feed in one chain, even if several servers write at once", async ({ store, peer }) => {
      const other = await peer();
      const sides = [
        { users: store.users, server: await bringUp(store, "alpha") },
        { users: other.users, server: await bringUp(other, "beta") },
      ];
      const userIds = usersOfOneFeed(store, 3);
      const feed = await hearUsers(store, userIds);
      await Promise.all(
        sides.flatMap(({ users, server }) =>
          times(60, async (i) => {
            const connections = connectionsOf(server, userIds[i % 3] ?? "", 3);
            await users.add(server.lease, connections);
            await users.remove(server.lease, connections, AT_ONCE);
          }),
        ),
      );
      const changes = await feed.heard();
      expect(changes).toHaveLength(2 * 60 * 3 * 2);
      for (const userId of userIds) {
        const kinds = changes.filter((change) => change.userId === userId).map(({ kind }) => kind);
        const [first, last] = [kinds[0], kinds.at(-1)];
        expect([first, last]).toEqual(["online", "offline"]);
        // The user is always online before being offline, and the two alternate.
        const turns = kinds.filter((kind) => kind === "online" || kind === "offline");
        expect(turns).toEqual(turns.map((_, i) => (i % 2 === 0 ? "online" : "offline")));
      }
    });

    it("announces each of 2,000 connections in one call", async ({ store }) => {
      const alpha = await bringUp(store, "alpha");
      const feed = await hearUsers(store);
      const connections = [
        ...connectionsOf(alpha, "everywhere", 1000),
        ...times(1000, (i) => connectionOf(alpha, `user-${i}`)),
      ];
      await store.users.add(alpha.lease, connections);
      await store.users.remove(alpha.lease, connections, AT_ONCE);
      const kinds = (await feed.heard()).map(({ kind }) => kind);
      const count = (wanted: string) => kinds.filter((kind) => kind === wanted).length;
      expect([count("online"), count("opened"), count("closed"), count("offline")]).toEqual([1001, 999, 999, 1001]);
    });

    it("announces nothing for a refused write", async (harness) => {
      const { store } = harness;
      const alpha = await bringUp(store, "alpha");
      const kept = connectionOf(alpha, "ann");
      await store.users.add(alpha.lease, [kept]);
      const feed = await hearUsers(store, ["ann"]);
      const lease = await letDie(harness, alpha);
      expect(await outcomeOf(store.users.add(lease, connectionsOf(alpha, "ann", 1)))).toBe("lease-lost");
      expect(await outcomeOf(store.users.add(lease, [{ ...kept, metadata: "1" }], { onlyExisting: true }))).toBe(
        "lease-lost",
      );
      expect(await outcomeOf(store.users.remove(lease, [kept], AT_ONCE))).toBe("lease-lost");
      expect(await feed.heard()).toEqual([]);
    });

    it("announces once, and at once, the users that are removed with a dead server", async (harness) => {
      const { store } = harness;
      const [dead, living] = [await bringUp(store, "dead"), await bringUp(store, "living")];
      const gone = [...connectionsOf(dead, "ann", 2), ...connectionsOf(dead, "bob", 1)];
      const stays = connectionOf(living, "ann");
      await store.users.add(living.lease, [stays]);
      await store.users.add(dead.lease, gone);
      await letDie(harness, dead);
      const claim = await claimDead(store, "dead");
      const feed = await hearUsers(await harness.peer(), ["ann", "bob"]);
      for (let i = 0; i < 2; i++) await store.upkeep.projection.evict(claim, { users: [...gone, stays] });
      const expected = gone.map(({ userId, connectionId }) => [
        userId === "ann" ? "closed" : "offline",
        userId,
        connectionId,
      ]);
      expect(inShort(await feed.heard()).sort()).toEqual(expected.map((parts) => parts.join(" ")).sort());
    });
  });
}
