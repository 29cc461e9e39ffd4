/* Runs `server.ts`, and asks it over HTTP for a user's presence before, during and after the user's connection. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import WebSocket from "ws";

const child = spawn(process.execPath, [fileURLToPath(new URL("./server.js", import.meta.url))], {
  stdio: ["ignore", "pipe", "inherit"],
  env: { ...process.env, PORT: "0", OFFLINE_GRACE_MS: "0" },
});
const exited = once(child, "exit");
const [line] = await Promise.race([
  once(createInterface({ input: child.stdout }), "line"),
  exited.then(() => {
    throw new Error("The server did not start.");
  }),
]);
const port = String(line).replace("listening on ", "");
const ask = async (path: string): Promise<string> => (await fetch(`http://127.0.0.1:${port}${path}`)).text();

console.log(`before: ${await ask("/presence/ann")}`);
const ann = new WebSocket(`ws://127.0.0.1:${port}/ws?user=ann`, "presence.v1");
await once(ann, "message");
console.log(`while connected: ${await ask("/presence/ann")}`);
console.log(`everybody: ${await ask("/online")}`);

ann.close();
let answer = await ask("/presence/ann");
for (; answer.includes("online"); answer = await ask("/presence/ann")) await sleep(20);
console.log(`afterwards: ${answer}`);
console.log(`a wrong cursor: ${await ask("/online?cursor=x")}`);

child.kill("SIGTERM");
await exited;
