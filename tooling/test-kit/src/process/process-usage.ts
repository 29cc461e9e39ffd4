import { readdir, readFile } from "node:fs/promises";

/** The resources that a process uses at one moment. */
export interface ProcessUsage {
  /** Resident memory, in bytes. */
  readonly rssBytes: number;
  /** Number of open file descriptors: files, sockets, pipes. */
  readonly openFiles: number;
}

/**
 * Reads the usage of a process from `/proc`. Rejects if there is no such process, and on any system other
 * than Linux.
 */
export async function processUsage(pid: number): Promise<ProcessUsage> {
  if (process.platform !== "linux") {
    throw new Error(
      `What a process uses is read from /proc, which ${process.platform} does not have; only Linux does.`,
    );
  }
  const [status, files] = await Promise.all([readFile(`/proc/${pid}/status`, "utf8"), readdir(`/proc/${pid}/fd`)]);
  const rss = /^VmRSS:\s+(\d+) kB$/m.exec(status);
  if (rss === null) throw new Error(`Process ${pid} has ended: it holds no memory any more.`);
  return { rssBytes: Number(rss[1]) * 1_024, openFiles: files.length };
}
