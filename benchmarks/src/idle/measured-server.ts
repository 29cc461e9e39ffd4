import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "@cm/test-kit";
import type { Contender } from "../contenders.js";
import { startServerProcess } from "../server-process.js";
import { type BytesByConstructor, readBytesByConstructor } from "./heap-breakdown.js";

/** Memory of a server after a garbage collection. */
export interface ServerMemory {
  /**
   * Resident set without files and without the free part of the JavaScript heap, in bytes. Includes native memory.
   */
  readonly residentBytes: number;
  /** Live JavaScript objects and the buffers that they hold, in bytes. */
  readonly liveBytes: number;
}

/** A server process that reports its memory. */
export interface MeasuredServer {
  readonly pid: number;
  readonly url: string;
  /** Collects garbage in the server and returns its memory. */
  memory(): Promise<ServerMemory>;
  /** Collects garbage in the server and returns its live objects. Needs `snapshots`. */
  objects(): Promise<BytesByConstructor>;
  stop(): Promise<void>;
}

/** Time for the return of pages to the system after a garbage collection, in milliseconds. */
const RELEASE_MS = 1_000;

/** Time for a report, in milliseconds; a snapshot of a large heap takes several seconds. */
const REPORT_TIMEOUT_MS = 120_000;

const REPORTER = new URL("./memory-reporter.js", import.meta.url).href;

/** The report that `memory-reporter.ts` writes. */
interface MemoryReport {
  readonly report: number;
  readonly anonymousBytes: number;
  readonly heapResidentBytes: number;
  readonly heapUsedBytes: number;
  readonly externalBytes: number;
}

/** Starts one server of a contender. With `snapshots`, its memory figures include those of the snapshots. */
export async function startMeasuredServer(
  contender: Contender,
  redisUrl: string,
  { snapshots = false }: { readonly snapshots?: boolean } = {},
): Promise<MeasuredServer> {
  const folder = await mkdtemp(join(tmpdir(), "cm-bench-"));
  const file = join(folder, "memory.json");
  const server = await startServerProcess(contender, 0, redisUrl, {
    // Keep the young generation small, so that its free space does not count as memory of connections.
    nodeArgs: ["--expose-gc", "--max-semi-space-size=1", "--import", REPORTER],
    environment: { BENCH_MEMORY_FILE: file, ...(snapshots && { BENCH_SNAPSHOTS: "1" }) },
  });
  let reports = 0;
  const ask = (): Promise<MemoryReport> => {
    reports++;
    process.kill(server.pid, "SIGUSR2");
    return eventually(() => readReport(file, reports), { timeoutMs: REPORT_TIMEOUT_MS });
  };
  return {
    pid: server.pid,
    url: server.url,
    async memory() {
      // V8 returns pages to the system in the background after a collection, so only a second report excludes
      // them.
      await ask();
      await sleep(RELEASE_MS);
      const report = await ask();
      const freeHeapBytes = report.heapResidentBytes - report.heapUsedBytes;
      return {
        residentBytes: report.anonymousBytes - freeHeapBytes,
        liveBytes: report.heapUsedBytes + report.externalBytes,
      };
    },
    async objects() {
      await ask();
      return readBytesByConstructor(`${file}.heapsnapshot`);
    },
    async stop() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function readReport(file: string, report: number): Promise<MemoryReport> {
  // The cast is safe: the only writer is memory-reporter.ts of the same build.
  const found = JSON.parse(await readFile(file, "utf8")) as MemoryReport;
  if (found.report < report) throw new Error("The server has not answered yet.");
  return found;
}
