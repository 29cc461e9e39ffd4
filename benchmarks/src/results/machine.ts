import { execFile } from "node:child_process";
import { cpus, loadavg, release, totalmem } from "node:os";
import { promisify } from "node:util";
import type { RedisServer } from "@cm/test-kit";
import { Redis } from "ioredis";

const run = promisify(execFile);

/** The machine of a run. Figures of different machines cannot be compared. */
export interface Machine {
  readonly cpuModel: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly redis: string;
  /** Load average of the minute before the run, which shows whether the machine was doing other work. */
  readonly loadBefore: number;
}

export async function describeMachine(redis: RedisServer): Promise<Machine> {
  const client = new Redis(redis.url);
  try {
    const info = await client.info("server");
    return {
      cpuModel: cpus()[0]?.model ?? "unknown",
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      kernel: release(),
      node: process.version,
      redis: /^redis_version:(\S+)/m.exec(info)?.[1] ?? "unknown",
      loadBefore: loadavg()[0] ?? 0,
    };
  } finally {
    client.disconnect();
  }
}

/** Returns the measured commit, followed by `+` if files differ from it, or `unknown` if Git knows no commit. */
export async function describeCommit(): Promise<string> {
  try {
    const { stdout: commit } = await run("git", ["rev-parse", "--short=9", "HEAD"]);
    // Ignore changed result files: results of earlier runs do not affect the measurement.
    const { stdout: changes } = await run("git", [
      "status",
      "--porcelain",
      "--",
      ":/",
      ":(exclude,top)benchmarks/results",
    ]);
    return commit.trim() + (changes.trim() === "" ? "" : "+");
  } catch {
    // Git fails if the sources were unpacked from an archive, which has no commit.
    return "unknown";
  }
}
