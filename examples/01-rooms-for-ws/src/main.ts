/*
 * Rooms across two processes whose sockets are the `ws` package's: `server.ts` is one of them.
 * The router only asks for three functions that know the sockets of the process; Redis is between.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import WebSocket from "ws";

async function startProcess(serverId: string): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const child = fork(fileURLToPath(new URL("./server.js", import.meta.url)), [serverId]);
  const port = await Promise.race([
    once(child, "message").then(([message]) => Number(message)),
    once(child, "exit").then(() => {
      throw new Error(`${serverId} did not start: is there a Redis, and REDIS_URL set to it?`);
    }),
  ]);
  return { child, url: `ws://127.0.0.1:${port}` };
}

async function join(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url);
  await once(socket, "message");
  return socket;
}

const processes = await Promise.all([startProcess("server-1"), startProcess("server-2")]);
const [ann, bob] = await Promise.all([join(`${processes[0].url}/lobby`), join(`${processes[1].url}/lobby`)]);

const heard = once(bob, "message");
ann.send("hello from the other process");
console.log(`bob heard: ${String((await heard)[0])}`);

for (const { child } of processes) {
  child.kill("SIGTERM");
  await once(child, "exit");
}
