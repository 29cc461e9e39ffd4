import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The pauses of garbage collections of all servers in the steady part of a run. */
export interface GcPauses {
  /** Share of the servers' time that the pauses took, from 0 to 1. */
  readonly share: number;
  readonly longestMs: number;
}

/** Start and end of a time in milliseconds since 1970. */
export interface TimeSpan {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Files in which servers report their garbage collections. */
export interface GcFiles {
  /** The arguments for Node.js, and the environment variables, with which the server with this index reports. */
  forServer(index: number): { readonly nodeArgs: readonly string[]; readonly environment: Record<string, string> };
  /** Reads the pauses of a time that ended at least 200 ms ago. */
  read(span: TimeSpan): Promise<GcPauses>;
  remove(): Promise<void>;
}

const REPORTER = new URL("./gc-reporter.js", import.meta.url).href;

/** Creates a folder for the reports of some servers. */
export async function createGcFiles(servers: number): Promise<GcFiles> {
  const folder = await mkdtemp(join(tmpdir(), "cm-bench-gc-"));
  const fileOf = (index: number) => join(folder, `server-${index}.txt`);
  return {
    forServer: (index) => ({ nodeArgs: ["--import", REPORTER], environment: { BENCH_GC_FILE: fileOf(index) } }),
    async read(span) {
      const files = Array.from({ length: servers }, (_, index) =>
        // A server without collections writes no file.
        readFile(fileOf(index), "latin1").catch(() => ""),
      );
      return pausesIn(await Promise.all(files), span);
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Calculates the pauses within a time from what each server has reported. */
export function pausesIn(reports: readonly string[], { fromMs, toMs }: TimeSpan): GcPauses {
  const durations = reports.flatMap((report) =>
    report.split("\n").flatMap((line) => {
      const [at = Number.NaN, duration = Number.NaN] = line.split(" ").map(Number);
      return at >= fromMs && at <= toMs ? [duration] : [];
    }),
  );
  const totalMs = durations.reduce((sum, duration) => sum + duration, 0);
  return { share: totalMs / (toMs - fromMs) / reports.length, longestMs: Math.max(0, ...durations) };
}
