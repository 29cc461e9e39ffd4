/*
 * The store alone, as a base for other programs: a lease that only one process holds at a time, and a bus whose
 * subscription receives messages as soon as `subscribe` resolves.
 */
import { isCmError, randomBase36, type ServerRegistration } from "@cm/protocol";
import { openStore } from "./store.js";

const store = await openStore();

const me = (): ServerRegistration => ({
  serverId: "leader",
  incarnation: randomBase36(4),
  host: "localhost",
  port: 0,
  partitionBits: 0,
});
const lease = await store.servers.acquire(me(), 10_000);
console.log(`first: leads, token ${lease.token > 0 ? "drawn" : "missing"}`);
try {
  await store.servers.acquire(me(), 10_000);
} catch (error) {
  console.log(`second: ${isCmError(error) ? error.code : String(error)}`);
}
await store.servers.unregister(lease);

const channel = { kind: "room", name: "news" } as const;
const heard = new Promise<string>((resolve) => {
  store.bus
    .subscribe(channel, (message) => resolve(Buffer.from(message).toString()))
    .then(() => store.bus.publish(channel, Buffer.from("live at once")))
    .catch((error: unknown) => console.error(error));
});
console.log(`heard: ${await heard}`);

await store.close();
