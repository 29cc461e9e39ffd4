import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import WebSocket from "ws";
import { freePort } from "../workspace/free-port.mjs";
import { SetupError } from "../workspace/workspace.mjs";

const START_TIMEOUT_MS = 120_000;
const ANSWER_TIMEOUT_MS = 10_000;

/** Tests `npx @cm/gateway` in an empty folder: it responds, accepts a client, and ends on SIGINT. */
export async function checkGateway(projects) {
  const dir = projects.create("npx");
  const port = await freePort();
  const env = projects.environment({ ...projects.npmSettings(), PORT: String(port) });
  const child = spawnGateway(dir, env);
  const closed = once(child, "close");
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => {
      output += chunk;
    });
  try {
    await healthy(port, child, () => output);
    await greeted(port);
    if (!output.includes("uWebSockets.js is not installed; serving on ws")) {
      throw new SetupError(`The gateway did not say that it runs without uWebSockets.js:\n${output}`);
    }
    // Sent to the whole process group, like Ctrl-C in a terminal, because npx does not forward signals.
    process.kill(-child.pid, "SIGINT");
    await Promise.race([closed, sleep(ANSWER_TIMEOUT_MS, undefined, { ref: false })]);
    if (!output.includes('"msg":"closed"')) throw new SetupError(`It did not close cleanly on SIGINT:\n${output}`);
  } finally {
    killGroup(child);
  }
  await refusesWhatItLacks(projects, dir);
}

/** Tests that with `TRANSPORT=uws` the gateway ends with a message that says what to install. */
async function refusesWhatItLacks(projects, dir) {
  const env = projects.environment({ ...projects.npmSettings(), PORT: "0", TRANSPORT: "uws" });
  const child = spawnGateway(dir, env);
  const timer = setTimeout(() => killGroup(child), START_TIMEOUT_MS);
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => {
      output += chunk;
    });
  const [code] = await once(child, "close");
  clearTimeout(timer);
  for (const part of ["native-load-failed", "npm install uNetworking/uWebSockets.js#v"]) {
    if (code !== 1 || !output.includes(part)) {
      throw new SetupError(`TRANSPORT=uws without uWebSockets.js ended with ${code} and lacks "${part}":\n${output}`);
    }
  }
}

/** Started in its own process group, because npx and the gateway are two processes. */
function spawnGateway(cwd, env) {
  return spawn("npx", ["--yes", "@cm/gateway"], { cwd, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
}

function killGroup({ pid }) {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // All processes of the group have ended.
  }
}

async function healthy(port, child, output) {
  const startedAt = performance.now();
  while (performance.now() - startedAt < START_TIMEOUT_MS) {
    if (child.exitCode !== null) break;
    try {
      const { ok } = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(2_000) });
      if (ok) return;
    } catch {
      // The gateway does not respond yet.
    }
    await sleep(100);
  }
  throw new SetupError(`npx @cm/gateway does not answer:\n${output()}`);
}

async function greeted(port) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws?user=ada`, "cm.v1");
  const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
  try {
    await once(socket, "open", { signal });
    socket.send(JSON.stringify({ type: "hello", version: 1 }));
    const [data] = await once(socket, "message", { signal });
    if (JSON.parse(String(data)).type !== "welcome") throw new SetupError(`The gateway answered hello with ${data}.`);
  } finally {
    socket.terminate();
  }
}
