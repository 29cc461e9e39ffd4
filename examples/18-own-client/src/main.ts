/*
 * A gateway in this process, with a room that keeps its messages, and two clients: bob's connection breaks, ann
 * publishes meanwhile, and bob gets the message when he has come back.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { createGateway } from "@cm/gateway";
import { RoomClient } from "./room-client.js";

const gateway = createGateway({
  port: 0,
  recoverableRooms: ["lobby"],
  // Users are not authenticated here; 09-embedded-gateway has a gateway with a login.
  authenticate: ({ query }) => ({ userId: new URLSearchParams(query).get("user") ?? "guest" }),
});
const { port: gatewayPort } = await gateway.start();

/** The sockets of Bob's connection to the gateway, which are cut later. */
const ways = new Set<Socket>();
const relay = createServer((near) => {
  const far = connect(gatewayPort, "127.0.0.1");
  for (const [one, other] of [
    [near, far],
    [far, near],
  ] as const) {
    ways.add(one);
    one.pipe(other);
    one.on("error", () => other.destroy());
  }
});
relay.listen(0, "127.0.0.1");
await once(relay, "listening");
const { port: relayPort } = relay.address() as AddressInfo; // An object, because the server listens on TCP.

/** Starts a client. Resolves once the client is in the lobby and has received its own message. */
async function start(
  user: string,
  port: number,
): Promise<{ client: RoomClient; heard: (text: string) => Promise<void> }> {
  const seen = new Set<unknown>();
  const client = new RoomClient({
    url: `ws://127.0.0.1:${port}/ws?user=${user}`,
    rooms: ["lobby"],
    onMessage: (_room, data) => {
      seen.add(data);
      console.log(`${user} got: ${data}`);
    },
  });
  const heard = async (text: string): Promise<void> => {
    while (!seen.has(text)) await new Promise((resolve) => setTimeout(resolve, 10));
  };
  while (
    !(await client.publish("lobby", `${user} is here`).then(
      () => true,
      () => false,
    ))
  ) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await heard(`${user} is here`);
  return { client, heard };
}

const ann = await start("ann", gatewayPort);
const bob = await start("bob", relayPort);
for (const socket of ways) socket.destroy();
await ann.client.publish("lobby", "said while bob was away");
await bob.heard("said while bob was away");
await Promise.all([ann.client.close(), bob.client.close()]);
relay.close();
await gateway.close();
