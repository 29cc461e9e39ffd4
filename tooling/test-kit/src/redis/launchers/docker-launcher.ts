import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type LaunchRequest, type RedisLauncher, type RedisProcess, SENTINEL_FILE } from "./launcher.js";

const run = promisify(execFile);
/** `npm run test:containers` names another one where this can't be pulled. */
const IMAGE = process.env.REDIS_IMAGE || "redis:7-alpine";
/** Where the container has the folder for its files. */
const DATA_DIR = "/data";

/** Whether a Docker engine runs, not merely its client. */
export async function dockerAnswers(): Promise<boolean> {
  try {
    const { stdout } = await run("docker", ["info", "--format", "{{.ServerVersion}}"], { timeout: 10_000 });
    return stdout.trim() !== "";
  } catch {
    // No client, no engine, or no right to use it: Docker is not a way, then.
    return false;
  }
}

/** Starts containers in the host's network: Cluster and Sentinel hand out addresses that must hold outside. */
export function createDockerLauncher(): RedisLauncher {
  return { name: "docker", launch };
}

async function launch(request: LaunchRequest): Promise<RedisProcess> {
  // Loaded here because it is large, and not needed where Redis is started directly.
  const { GenericContainer } = await import("testcontainers");
  const server = ["redis-server"];
  if (request.sentinel) server.push(`${DATA_DIR}/${SENTINEL_FILE}`, "--sentinel");
  server.push("--port", String(request.port), "--bind", "127.0.0.1", "--dir", DATA_DIR, ...request.args);
  const container = await new GenericContainer(IMAGE)
    // Its files are ours to remove.
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
    // The container's own life is watched by its library; a start that failed has thrown above.
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
