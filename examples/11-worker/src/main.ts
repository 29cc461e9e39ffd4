/*
 * A worker: a process without sockets that publishes to rooms and asks who is online. `server` stands for a
 * process with sockets, to which it would deliver the frames.
 */
import { createNode } from "@cm/node";
import { openStore } from "./store.js";

const [serverStore, workerStore] = [await openStore(), await openStore()];

let hear: (line: string) => void = () => undefined;
const heard = new Promise<string>((resolve) => {
  hear = resolve;
});
const server = createNode({
  store: serverStore,
  serverId: "server-1",
  local: {
    toRoom: (room, frame) => hear(`${room} gets ${Buffer.from(frame).toString()}`),
    toConnection: () => false,
    toUser: () => 0,
  },
});
await server.start();
const connectionId = server.membership.nextConnectionId();
await server.membership.open({ connectionId, userId: "ann" });
await server.membership.join(connectionId, "lobby");

const worker = createNode({ store: workerStore });
await worker.start();
console.log(`ann is ${(await worker.presence.get("ann")).status}, bob is ${(await worker.presence.get("bob")).status}`);
console.log(`in the lobby: ${await worker.presence.countMembers("lobby")}`);
await worker.router.toRoom("lobby", JSON.stringify({ type: "news", text: "hello" }));
// #region pages
let cursor: string | undefined;
do {
  const page = await worker.presence.roster("lobby", { limit: 1_000, cursor });
  for (const { userId, serverId } of page.items) console.log(`${userId} is there, on ${serverId}`);
  cursor = page.cursor;
} while (cursor !== undefined);
// #endregion
await worker.close(); // Until this call, the worker keeps the process alive.
console.log(await heard);

await server.close();
await Promise.all([serverStore.close(), workerStore.close()]);
