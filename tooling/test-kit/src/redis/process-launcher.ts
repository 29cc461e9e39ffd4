import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LaunchRequest, RedisLauncher, RedisProcess } from "./launcher.js";

const OUTPUT_MAX_CHARS = 4_096;

// What is still running when this process ends is ended with it, whatever went wrong.
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Starts a `redis-server` executable directly. */
export function createProcessLauncher(name: "PATH" | "apt", executable: string): RedisLauncher {
  return { name, launch: (request) => launch(executable, request) };
}

async function launch(executable: string, request: LaunchRequest): Promise<RedisProcess> {
  const dir = await mkdtemp(join(tmpdir(), "cm-redis-"));
  const head: string[] = [];
  if (request.sentinel) {
    // A Sentinel rewrites its configuration file and refuses to start without one.
    const file = join(dir, "sentinel.conf");
    await writeFile(file, "");
    head.push(file, "--sentinel");
  }
  const args = [...head, "--port", String(request.port), "--bind", "127.0.0.1", "--dir", dir, ...request.args];
  const child = spawn(executable, args, { stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  let output = "";
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-OUTPUT_MAX_CHARS);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const gone = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", (error) => {
      output += String(error);
      resolve();
    });
  }).then(() => running.delete(child));

  let stopping: Promise<void> | undefined;
  return {
    pid: child.pid ?? -1,
    get ended() {
      return running.has(child) ? undefined : { output };
    },
    async signal(name) {
      child.kill(name);
    },
    stop() {
      stopping ??= end(child, gone, dir);
      return stopping;
    },
  };
}

async function end(child: ChildProcess, gone: Promise<boolean>, dir: string): Promise<void> {
  // Nothing in it is worth saving, and SIGKILL also ends a process that was paused.
  child.kill("SIGKILL");
  await gone;
  await rm(dir, { recursive: true, force: true });
}
