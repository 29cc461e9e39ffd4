import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type LaunchRequest, type RedisLauncher, type RedisProcess, SENTINEL_FILE } from "./launcher.js";

const run = promisify(execFile);
/** The default image; `npm run test:containers` sets another one for machines that cannot pull it. */
const IMAGE = process.env.REDIS_IMAGE || "redis:7-alpine";
/** The path in the container at which `LaunchRequest.dir` is mounted. */
const DATA_DIR = "/data";

/** Whether a Docker engine is running, not only its client installed. */
export async function dockerAnswers(): Promise<boolean> {
  try {
    const { stdout } = await run("docker", ["info", "--format", "{{.ServerVersion}}"], { timeout: 10_000 });
    return stdout.trim() !== "";
  } catch {
    // If the command fails, Docker cannot be used: there is no client, no engine, or no permission to use it.
    return false;
  }
}

/**
 * Starts containers in the host's network, because Cluster and Sentinel announce addresses that must be
 * reachable from outside the container.
 */
export function createDockerLauncher(): RedisLauncher {
  return { name: "docker", launch };
}

async function launch(request: LaunchRequest): Promise<RedisProcess> {
  // Import the library only here, because it is large and not needed if Redis is started directly.
  const { GenericContainer } = await import("testcontainers");
  const server = ["redis-server"];
  if (request.sentinel) server.push(`${DATA_DIR}/${SENTINEL_FILE}`, "--sentinel");
  server.push("--port", String(request.port), "--bind", "127.0.0.1", "--dir", DATA_DIR, ...request.args);
  const container = await new GenericContainer(IMAGE)
    // Run as this process's user and group, so that this process may delete the files.
    .withUser(`${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`)
    .withBindMounts([{ source: request.dir, target: DATA_DIR, mode: "rw" }])
    .withNetworkMode("host")
    .withEntrypoint(["sh", "-c", `touch ${DATA_DIR}/${SENTINEL_FILE} && exec "$0" "$@"`])
    .withCommand(server)
    .start();
  const id = container.getId();
  const { stdout } = await run("docker", ["inspect", "--format", "{{.State.Pid}}", id]);
  let stopping: Promise<void> | undefined;
  return {
    pid: Number(stdout.trim()),
    // The library reports a failed start by throwing above; a container that ends later is not detected here.
    ended: undefined,
    async signal(name) {
      await run("docker", ["kill", "--signal", name, id]);
    },
    stop() {
      stopping ??= container.stop({ timeout: 0, remove: true, removeVolumes: true }).then(() => undefined);
      return stopping;
    },
  };
}
