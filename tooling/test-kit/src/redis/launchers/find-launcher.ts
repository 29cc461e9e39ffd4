import { canInstallWithApt, installWithApt } from "./apt-install.js";
import { createDockerLauncher, dockerAnswers } from "./docker-launcher.js";
import { findOnPath } from "./executable.js";
import type { RedisLauncher } from "./launcher.js";
import { createProcessLauncher } from "./process-launcher.js";

let found: Promise<RedisLauncher> | undefined;

/**
 * The way to start Redis here: a Docker engine that runs, else `redis-server` on the
 * PATH, else, as root on Debian, one installed with apt. Rejects where none works. With
 * `REDIS_LAUNCHER=docker` in the environment it is the Docker engine, or none.
 */
export function findLauncher(): Promise<RedisLauncher> {
  found ??= look();
  return found;
}

async function look(): Promise<RedisLauncher> {
  if (await dockerAnswers()) return createDockerLauncher();
  if (process.env.REDIS_LAUNCHER === "docker") {
    throw new Error("REDIS_LAUNCHER asks for Redis in containers, and no Docker engine answers.");
  }
  const installed = await findOnPath("redis-server");
  if (installed !== undefined) return createProcessLauncher("PATH", installed);
  if (await canInstallWithApt()) {
    await installWithApt();
    const executable = await findOnPath("redis-server");
    if (executable !== undefined) return createProcessLauncher("apt", executable);
  }
  throw new Error(
    "These tests need a Redis 7 or newer, and there is no way to start one: no Docker engine answers, " +
      "no redis-server is on the PATH, and it can't be installed (that takes root on Debian or Ubuntu). " +
      "Start Docker or install Redis, then try again.",
  );
}
