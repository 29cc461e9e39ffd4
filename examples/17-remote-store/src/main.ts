/*
 * Two nodes on the remote store: a message from one to the other, the members of a room, and the members that
 * remain after one node has closed.
 */
import { createNode } from "@cm/node";
import { createRemoteStore, startHub } from "./remote-store.js";

const { server, port } = await startHub();

async function startNode(name: string) {
  const store = createRemoteStore(port);
  await store.start();
  const heard: ((text: string) => void)[] = [];
  const node = createNode({
    store,
    serverId: name,
    offlineGraceMs: 0,
    local: {
      toRoom: (_room, frame) => {
        for (const hear of heard.splice(0)) hear(Buffer.from(frame).toString());
      },
      toConnection: () => false,
      toUser: () => 0,
    },
  });
  await node.start();
  const hears = (): Promise<string> => new Promise((resolve) => heard.push(resolve));
  const enter = async (userId: string): Promise<void> => {
    const connectionId = node.membership.nextConnectionId();
    await node.membership.open({ connectionId, userId });
    await node.membership.join(connectionId, "lobby");
  };
  return { node, enter, hears, close: () => node.close().then(() => store.close()) };
}

const [tokyo, berlin] = [await startNode("tokyo"), await startNode("berlin")];
await tokyo.enter("ann");
await berlin.enter("bob");
const heard = berlin.hears();
await tokyo.node.router.toRoom("lobby", "hello");
console.log(`berlin heard: ${await heard}`);
const { items } = await berlin.node.presence.roster("lobby", { limit: 100 });
console.log(
  `in the lobby: ${items
    .map(({ userId, serverId }) => `${userId} on ${serverId}`)
    .sort()
    .join(", ")}`,
);
await tokyo.close();
console.log(`after tokyo closed: ${await berlin.node.presence.countMembers("lobby")} in the lobby`);
await berlin.close();
server.close();
