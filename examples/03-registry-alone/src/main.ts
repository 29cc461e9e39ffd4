/*
 * The registry alone, without sockets and messages: two servers write their connections into a store, and each
 * reads those of both. When one server shuts down, its connections are removed.
 */
import { createMembership, type Membership } from "@cm/membership";
import { connectionIdsOf, createConnectionIdSource, type Store } from "@cm/protocol";
import { openStore } from "./store.js";

async function startServer(serverId: string): Promise<{ readonly store: Store; readonly membership: Membership }> {
  const store = await openStore();
  const membership = createMembership({
    ids: createConnectionIdSource({ serverId }),
    store,
    // A router would subscribe to the room's channel here.
    interest: { enter: async () => undefined, exit: () => undefined },
    onError: (error, { stage }) => console.error(stage, error),
  });
  await membership.start();
  return { store, membership };
}

async function connect(membership: Membership, userId: string, room: string): Promise<string> {
  const connectionId = membership.nextConnectionId();
  await membership.open({ connectionId, userId });
  await membership.join(connectionId, room);
  return connectionId;
}

const berlin = await startServer("berlin");
const tokyo = await startServer("tokyo");
await connect(berlin.membership, "ann", "lobby");
await connect(tokyo.membership, "ann", "lobby");
await connect(tokyo.membership, "bob", "lobby");

const { items } = await berlin.store.rooms.members("lobby", { limit: 100 });
console.log(
  `in the lobby: ${items
    .map(({ userId }) => userId)
    .sort()
    .join(", ")}`,
);
console.log(`ann's devices: ${(await connectionIdsOf(tokyo.store.users, "ann")).length}`);
console.log(`users online: ${await berlin.store.counts.of("users")}`);

await tokyo.membership.shutdown();
console.log(`after tokyo closed: ${await berlin.store.rooms.count("lobby")} in the lobby`);
const servers = (await berlin.store.servers.snapshot()).living;
console.log(`living servers: ${servers.map(({ serverId }) => serverId).join(", ")}`);

await berlin.membership.shutdown();
await Promise.all([berlin.store.close(), tokyo.store.close()]);
