/*
 * A process without sockets on the same Redis: it counts the members of a room, reads a user's status, and sends a
 * line to the room.
 */
import { createNode } from "@cm/node";

const worker = createNode({
  redisUrl: process.env.REDIS_URL ?? "redis://127.0.0.1:6379",
  prefix: process.env.REDIS_PREFIX, // The same as in the servers.
});
await worker.start();
console.log(`in the lobby: ${await worker.presence.countMembers("/lobby")}`);
console.log(`ann is ${(await worker.presence.get("ann")).status}`);
await worker.router.toRoom("/lobby", "the worker: hello");
await worker.close(); // Its connections to Redis would keep the process alive.
