import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startManagedProcess } from "../../process/managed-process.js";
import { type LaunchRequest, type RedisLauncher, type RedisProcess, SENTINEL_FILE } from "./launcher.js";

/** Starts a `redis-server` executable directly. */
export function createProcessLauncher(name: "PATH" | "apt", executable: string): RedisLauncher {
  return { name, launch: (request) => launch(executable, request) };
}

async function launch(executable: string, { port, dir, args, sentinel }: LaunchRequest): Promise<RedisProcess> {
  const head: string[] = [];
  if (sentinel) {
    const file = join(dir, SENTINEL_FILE);
    await writeFile(file, "", { flag: "a" });
    head.push(file, "--sentinel");
  }
  const server = startManagedProcess({
    command: executable,
    args: [...head, "--port", String(port), "--bind", "127.0.0.1", "--dir", dir, ...args],
  });
  return {
    pid: server.pid,
    get ended() {
      return server.running ? undefined : { output: server.output };
    },
    async signal(name) {
      server.signal(name);
    },
    async stop() {
      // Use SIGKILL, which is safe because data that must be kept is already on disk.
      await server.kill();
    },
  };
}
