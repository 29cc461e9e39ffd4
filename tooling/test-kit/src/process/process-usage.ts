import { readdir, readFile } from "node:fs/promises";

/** What a process has of its machine at one moment. */
export interface ProcessUsage {
  /** Memory that is resident, in bytes. */
  readonly rssBytes: number;
  /** Open file descriptors: files, sockets, pipes. */
  readonly openFiles: number;
}

/** Reads a process' usage from `/proc`. Rejects where there is no such process, and on any system but Linux. */
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
