/*
 * Rooms across two processes with sockets of the `ws` package; each runs `server.ts`. The router needs only three
 * functions of a process, which deliver to its sockets. Redis connects the processes.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import WebSocket from "ws";

const SERVER = fileURLToPath(new URL("./server.js", import.meta.url));

async function startProcess(): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const child = spawn(process.execPath, [SERVER], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, PORT: "0" },
  });
  const [line] = await Promise.race([
    once(createInterface({ input: child.stdout }), "line"),
    once(child, "exit").then(() => {
      throw new Error("A process did not start: is there a Redis, and REDIS_URL set to it?");
    }),
  ]);
  return { child, url: `ws://127.0.0.1:${String(line).replace("listening on ", "")}` };
}

async function join(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url);
  await once(socket, "message");
  return socket;
}

const processes = await Promise.all([startProcess(), startProcess()]);
const [ann, bob] = await Promise.all([join(`${processes[0].url}/lobby`), join(`${processes[1].url}/lobby`)]);

const heard = once(bob, "message");
ann.send("hello from the other process");
console.log(`bob heard: ${String((await heard)[0])}`);

for (const { child } of processes) {
  child.kill("SIGTERM");
  await once(child, "exit");
}
