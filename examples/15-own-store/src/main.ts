/*
 * A store of your own: a hub that holds everything (`hub/`), and stores that ask it over TCP (`client/`). Two
 * servers share the hub here as they would share Redis. `npm test` runs the contract suites on the store.
 */
import { createMembership, type Membership } from "@cm/membership";
import { createConnectionIdSource, type Store } from "@cm/protocol";
import { createHubStore } from "./client/hub-store.js";
import { startHub } from "./hub/hub.js";

const hub = await startHub();

async function startServer(serverId: string): Promise<{ readonly store: Store; readonly membership: Membership }> {
  const store = createHubStore({ port: hub.port });
  await store.start();
  const membership = createMembership({
    ids: createConnectionIdSource({ serverId }),
    store,
    offlineGraceMs: 0,
    interest: { enter: async () => undefined, exit: () => undefined },
    onError: (error, { stage }) => console.error(stage, error),
  });
  await membership.start();
  return { store, membership };
}

async function connect(membership: Membership, userId: string): Promise<void> {
  const connectionId = membership.nextConnectionId();
  await membership.open({ connectionId, userId });
  await membership.join(connectionId, "lobby");
}

const berlin = await startServer("berlin");
const tokyo = await startServer("tokyo");
await connect(berlin.membership, "ann");
await connect(tokyo.membership, "bob");
const { items } = await berlin.store.rooms.members("lobby", { limit: 100 });
const users = items.map(({ userId }) => userId).sort();
console.log(`in the lobby: ${users.join(", ")}`);

await tokyo.membership.shutdown();
console.log(`after tokyo closed: ${await berlin.store.rooms.count("lobby")} in the lobby`);
await berlin.membership.shutdown();
await Promise.all([berlin.store.close(), tokyo.store.close()]);
console.log(`left in the hub: ${hub.held}`);
await hub.close();
