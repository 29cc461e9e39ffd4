import { type ConnectionRecord, type HeldRoom, partitionOf, type Store, type UserConnection } from "@cm/protocol";
import { describe, expect } from "vitest";
import { AWKWARD_NAMES } from "./awkward-names.js";
import { byId, membersOf } from "./rooms/sample-members.js";
import { recordOf } from "./sample-records.js";
import type { HarnessFactory } from "./store-harness.js";
import { bringUp, scenarios, type TestServer, times } from "./store-scenarios.js";
import { AT_ONCE, byConnection, connectionOf, connectionsOf } from "./users/sample-users.js";

/** Contract tests for `ProjectionUpkeep.held`, whose result a server compares with its own state. */
export function describeProjectionReading(name: string, createHarness: HarnessFactory): void {
  const it = scenarios(createHarness);

  describe(`${name}: what a server holds`, () => {
    it("is empty at first, and empty again after all entries were removed", async ({ store }) => {
      const alpha = await bringUp(store, "alpha");
      const nothing = { records: [], rooms: [], users: [] };
      expect(await heldBy(store, alpha)).toEqual(nothing);
      const [record, members, connections] = [recordOf(alpha), membersOf(alpha, 3), connectionsOf(alpha, "ann", 3)];
      await store.connections.put(alpha.lease, [record]);
      await store.rooms.join(alpha.lease, "lobby", members);
      await store.users.add(alpha.lease, connections);
      expect(await heldBy(store, alpha)).not.toEqual(nothing);
      await store.connections.remove(alpha.lease, [record.connectionId]);
      await store.rooms.leave(alpha.lease, "lobby", members);
      // A user in a grace period has no connection, so no server holds an entry of the user.
      await store.users.remove(alpha.lease, connections, { graceMs: 60_000 });
      expect(await heldBy(store, alpha)).toEqual(nothing);
    });

    it("is its own alone, in rooms and of users that it shares with others", async ({ store, peer }) => {
      const other = await peer();
      // One server id is a prefix of the other.
      const [alpha, beta] = [await bringUp(store, "node-1"), await bringUp(other, "node-11")];
      for (const [{ connections, rooms, users }, server] of [[store, alpha] as const, [other, beta] as const]) {
        const [record, members, shared] = [
          recordOf(server),
          membersOf(server, 2),
          connectionOf(server, "ann", '{"a":1}'),
        ];
        await connections.put(server.lease, [record]);
        await rooms.join(server.lease, "lobby", members);
        await users.add(server.lease, [shared]);
      }
      for (const server of [alpha, beta]) {
        const { records, rooms, users } = await heldBy(store, server);
        const own = (connectionId: string) => connectionId.startsWith(`${server.registration.serverId}.`);
        expect(records.filter(({ connectionId }) => own(connectionId))).toHaveLength(1);
        expect(records).toHaveLength(1);
        expect(rooms).toMatchObject([{ room: "lobby", members: [{}, {}] }]);
        expect(rooms[0]?.members.every(({ connectionId }) => own(connectionId))).toBe(true);
        expect(users).toMatchObject([{ userId: "ann", metadata: '{"a":1}' }]);
        expect(users.every(({ connectionId }) => own(connectionId))).toBe(true);
      }
      await other.rooms.join(beta.lease, "theirs", membersOf(beta, 1));
      expect((await heldBy(store, alpha)).rooms).toMatchObject([{ room: "lobby" }]);
    });

    it("is whole over all partitions, however much it is", async ({ store, peer }) => {
      const alpha = await bringUp(store, "alpha");
      const records = times(600, () => recordOf(alpha));
      const rooms = [
        ...times(300, (i): HeldRoom => ({ room: `room-${i}`, members: membersOf(alpha, 1) })),
        { room: "large", members: membersOf(alpha, 2500) },
      ];
      const users = [
        ...times(600, (i) => connectionOf(alpha, `user-${i}`, i % 2 === 0 ? `{"n":${i}}` : undefined)),
        ...connectionsOf(alpha, "everywhere", 2500),
      ];
      await store.connections.put(alpha.lease, records);
      await Promise.all(rooms.map(({ room, members }) => store.rooms.join(alpha.lease, room, members)));
      await store.users.add(alpha.lease, users);
      const held = await heldBy(await peer(), alpha);
      expect(byId(held.records)).toEqual(byId(records));
      expect(byRoom(held.rooms)).toEqual(byRoom(rooms));
      expect(byConnection(held.users)).toEqual(byConnection(users));
    });

    it("lies where its partitions say, under awkward names too", async ({ store, peer }) => {
      const alpha = await bringUp(store, "alpha");
      for (const room of AWKWARD_NAMES) await store.rooms.join(alpha.lease, room, membersOf(alpha, 1));
      await store.users.add(
        alpha.lease,
        AWKWARD_NAMES.map((userId) => connectionOf(alpha, userId)),
      );
      const { upkeep, partitions } = await peer();
      expect(partitions).toBe(store.partitions);
      const all = times(partitions, (partition) => partition);
      for (const name of AWKWARD_NAMES) {
        const partition = partitionOf(name, store.partitions);
        expect(all).toContain(partition);
        const rooms = await upkeep.projection.held(alpha.lease, "rooms", partition);
        expect(rooms.map(({ room }) => room)).toContain(name);
        const users = await upkeep.projection.held(alpha.lease, "users", partition);
        expect(users.map(({ userId }) => userId)).toContain(name);
      }
      const held = await heldBy(store, alpha);
      expect(held.rooms.map(({ room }) => room).sort()).toEqual([...AWKWARD_NAMES].sort());
      expect(held.users.map(({ userId }) => userId).sort()).toEqual([...AWKWARD_NAMES].sort());
      await store.users.remove(alpha.lease, held.users, AT_ONCE);
      expect((await heldBy(store, alpha)).users).toEqual([]);
    });
  });
}

interface Held {
  readonly records: ConnectionRecord[];
  readonly rooms: HeldRoom[];
  readonly users: UserConnection[];
}

/** The whole projection of a server, over all partitions. */
async function heldBy({ upkeep, partitions }: Store, { lease, registration }: TestServer): Promise<Held> {
  const recordPartitions = times(2 ** registration.partitionBits, (recordPartition) =>
    upkeep.projection.held(lease, "records", recordPartition),
  );
  return {
    records: (await Promise.all(recordPartitions)).flat(),
    rooms: (
      await Promise.all(times(partitions, (partition) => upkeep.projection.held(lease, "rooms", partition)))
    ).flat(),
    users: (
      await Promise.all(times(partitions, (partition) => upkeep.projection.held(lease, "users", partition)))
    ).flat(),
  };
}

function byRoom(rooms: readonly HeldRoom[]): HeldRoom[] {
  const sorted = rooms.map(({ room, members }) => ({ room, members: byId(members) }));
  return sorted.sort((a, b) => (a.room < b.room ? -1 : 1));
}
