import { createConnectionIdSource, type Lease } from "@cm/protocol";
import { expect, it } from "vitest";
import type { OwnedConnection } from "../connections/owned-connection.js";
import type { OwnedConnections } from "../connections/owned-connections.js";
import type { MembershipStore } from "../options.js";
import { PermanentErrors } from "./permanent-errors.js";
import { Projection } from "./projection.js";

const ids = createConnectionIdSource({ serverId: "a" });

function connectionOf(userId: string, joining: readonly string[] = []): OwnedConnection {
  return {
    connectionId: ids.next(),
    userId,
    connectedAt: 0,
    rooms: new Set(["lobby"]),
    metadata: undefined,
    graceMs: 0,
    isAnnounced: true,
    joining: joining.length === 0 ? undefined : new Map(joining.map((room) => [room, Promise.resolve(undefined)])),
  };
}

/** Writes these connections again. Returns each join of a room as the store gets it. */
async function joinsOf(connections: readonly OwnedConnection[], wasReaped: boolean): Promise<readonly string[]> {
  const joins: string[] = [];
  const store = {
    connections: { put: async () => undefined },
    users: { add: async () => undefined },
    rooms: {
      join: async (_: Lease, room: string, members: readonly { userId: string }[], { quiet }: { quiet: boolean }) => {
        joins.push(`${quiet ? "quiet" : "announced"} ${room} ${members.map(({ userId }) => userId).join(" ")}`);
      },
    },
  };
  const byId = new Map(connections.map((connection) => [connection.connectionId, connection]));
  const local = { all: () => byId.values(), get: (id: string) => byId.get(id) };
  const projection = new Projection({
    // Only the members that writing everything again uses.
    store: store as unknown as MembershipStore,
    local: local as unknown as OwnedConnections,
    partitionBits: 0,
    lastSeenOf: () => undefined,
    maxPerUser: 0,
    onLeaving: () => undefined,
  });
  const errors: unknown[] = [];
  await projection.all({ wasReaped } as Lease, new PermanentErrors((error) => errors.push(error)));
  expect(errors).toEqual([]);
  return joins.sort();
}

it("a lost room is written again without an announcement, except for joins that are still in progress", async () => {
  const members = [connectionOf("ann"), connectionOf("bob", ["lobby"]), connectionOf("cid", ["other"])];
  expect(await joinsOf(members, false)).toEqual(["announced lobby bob", "quiet lobby ann cid"]);
});

it("all members are announced again once a reaper has removed them", async () => {
  const members = [connectionOf("ann"), connectionOf("bob", ["lobby"])];
  expect(await joinsOf(members, true)).toEqual(["announced lobby ann bob"]);
});
