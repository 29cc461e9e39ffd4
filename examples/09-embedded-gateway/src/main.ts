/* Runs `server.ts`, and `client.ts` for two users: ann may join the room and publish, and bob is refused. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import WebSocket from "ws";

/**
 * Starts a program of this folder and prints its lines. `line(text)` resolves with the next line that contains
 * `text`, and rejects if the program ends before.
 */
function start(file: string, ...args: string[]) {
  const child: ChildProcess = spawn(process.execPath, [fileURLToPath(new URL(file, import.meta.url)), ...args], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, PORT: "0" },
  });
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream }); // Not null, because `stdio` says "pipe".
  lines.on("line", (line) => console.log(line));
  const line = (text: string): Promise<string> =>
    new Promise((resolve, reject) => {
      lines.on("line", (each) => each.includes(text) && resolve(each));
      lines.on("close", () => reject(new Error(`${file} ended without ${text}.`)));
    });
  return { child, line };
}

type Program = ReturnType<typeof start>;

const server = start("./server.js");
const port = (await server.line("listening on ")).replace("listening on ", "");

const [bob, ann] = ["bob", "ann"].map((user) => start("./client.js", user, "staff", port)) as [Program, Program];
await Promise.all([bob.line('"code":"unauthorized"'), ann.line('"type":"ack"')]);
const published = Promise.all([server.line("ann says"), ann.line('"type":"message"')]);
ann.child.stdin?.write("hello\n");
await published;

const stranger = new WebSocket(`ws://127.0.0.1:${port}/ws`, "cm.v1", { headers: { cookie: "session=guessed" } });
console.log(`without a session: ${String((await once(stranger, "error"))[0])}`);

const nameless = await fetch(`http://127.0.0.1:${port}/login`, { method: "POST" });
console.log(`without a name: ${nameless.status} ${await nameless.text()}`);

for (const { child } of [ann, bob]) {
  child.stdin?.end();
  await once(child, "exit");
}
server.child.kill("SIGTERM");
await once(server.child, "exit");
