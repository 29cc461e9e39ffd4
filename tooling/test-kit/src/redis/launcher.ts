import { canInstallWithApt, installWithApt } from "./apt-install.js";
import { createDockerLauncher, dockerAnswers } from "./docker-launcher.js";
import { findOnPath } from "./executable.js";
import { createProcessLauncher } from "./process-launcher.js";

/** What to start. */
export interface LaunchRequest {
  readonly port: number;
  /** Further command line arguments, such as `["--cluster-enabled", "yes"]`. */
  readonly args: readonly string[];
  /** Start it as a Sentinel. */
  readonly sentinel: boolean;
}

/** A Redis process that was started. It may not answer yet. */
export interface RedisProcess {
  /** Its id on this machine. */
  readonly pid: number;
  /** Sends a signal such as `SIGKILL`, `SIGSTOP` or `SIGCONT`. */
  signal(name: NodeJS.Signals): Promise<void>;
  /** Whether it has ended by itself, and what it said last. */
  readonly ended: { readonly output: string } | undefined;
  /** Ends it, waits until it is gone and removes its files. Idempotent. */
  stop(): Promise<void>;
}

/** A way to start Redis on this machine. */
export interface RedisLauncher {
  /** Which way it is, for people: `docker`, `PATH` or `apt`. */
  readonly name: "docker" | "PATH" | "apt";
  launch(request: LaunchRequest): Promise<RedisProcess>;
}

let found: Promise<RedisLauncher> | undefined;

/**
 * The way to start Redis here: a Docker engine that runs, else `redis-server` on the
 * PATH, else, as root on Debian, one installed with apt. Rejects where none works.
 */
export function findLauncher(): Promise<RedisLauncher> {
  found ??= look();
  return found;
}

async function look(): Promise<RedisLauncher> {
  if (await dockerAnswers()) return createDockerLauncher();
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
