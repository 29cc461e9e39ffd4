import { canInstallWithApt, installWithApt } from "./apt-install.js";
import { createDockerLauncher, dockerAnswers } from "./docker-launcher.js";
import { findOnPath } from "./find-executable.js";
import type { RedisLauncher } from "./launcher.js";
import { createProcessLauncher } from "./process-launcher.js";

let found: Promise<RedisLauncher> | undefined;

/**
 * Determines how to start Redis on this machine: with a running Docker engine; otherwise with `redis-server`
 * from the PATH; otherwise, as root on Debian, after installing it with apt. Rejects if none of these works.
 * With `REDIS_LAUNCHER=docker` in the environment, only the Docker engine is used.
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
