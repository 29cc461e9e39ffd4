/*
 * The two things that a router needs of a store, written by hand: a bus (`tcp-bus.ts`), and a look-up of users'
 * connections. Two routers exchange messages over the bus, without Redis. `npm test` runs the contract suite on
 * the bus.
 */
import { createRouter, type Router } from "@cm/router";
import { startHub, TcpBus } from "./tcp-bus.js";

const hub = await startHub();
const users = { states: async () => [] };

async function startServer(serverId: string, hears: (text: string) => void): Promise<[Router, TcpBus]> {
  const bus = await TcpBus.connect(hub.port);
  const local = {
    toRoom: (room: string, frame: Uint8Array) =>
      hears(`${serverId} heard in ${room}: ${Buffer.from(frame).toString()}`),
    toConnection: () => false,
    toUser: () => 0,
  };
  const router = createRouter({ serverId, store: { bus, users }, local });
  await router.start();
  await router.enter("lobby");
  return [router, bus];
}

const lines: string[] = [];
let both: () => void = () => undefined;
const heardByBoth = new Promise<void>((resolve) => {
  both = resolve;
});
const hears = (line: string): void => {
  if (lines.push(line) === 2) both();
};
const servers = await Promise.all([startServer("berlin", hears), startServer("tokyo", hears)]);
await servers[0][0].toRoom("lobby", Buffer.from("hello"));
await heardByBoth;
for (const line of lines.sort()) console.log(line);

for (const [router, bus] of servers) {
  await router.close();
  bus.close();
}
hub.server.close();
