/*
 * Runs `server.ts` in two processes with a client each. The clients exchange a message and ask who is in the room
 * and who is online, `worker.ts` sends a line, and one process is killed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import WebSocket from "ws";

const SERVER = fileURLToPath(new URL("./server.js", import.meta.url));
const WORKER = fileURLToPath(new URL("./worker.js", import.meta.url));

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

async function join(url: string) {
  const socket = new WebSocket(url);
  socket.on("error", () => undefined); // The socket fails when its server is killed.
  const next = async (): Promise<string> => String((await once(socket, "message"))[0]);
  await next(); // Skips the line `you are in`.
  const ask = async (line: string): Promise<string> => {
    const answer = next();
    socket.send(line);
    return answer;
  };
  return { socket, next, ask };
}

const [one, two] = await Promise.all([startProcess(), startProcess()]);
const ann = await join(`${one.url}/lobby?user=ann`);
const bob = await join(`${two.url}/lobby?user=bob`);

const heard = bob.next();
ann.socket.send("hello from the other process");
console.log(`bob heard ${await heard}`);
console.log(await bob.ask("/who"));

const news = bob.next();
const worker = spawn(process.execPath, [WORKER], { stdio: "inherit" });
await once(worker, "exit");
console.log(`bob heard ${await news}`);

one.child.kill("SIGKILL");
const killedAt = Date.now();
let answer = await bob.ask("/who");
for (; answer.includes("ann"); answer = await bob.ask("/who")) await sleep(200);
console.log(`${answer}, ${Math.round((Date.now() - killedAt) / 1_000)} s after the process of ann was killed`);

two.child.kill("SIGTERM");
await once(two.child, "exit");
