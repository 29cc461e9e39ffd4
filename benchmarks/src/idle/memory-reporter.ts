/**
 * Loaded into a server before its program (`--import`), with `--expose-gc`: on SIGUSR2, the process collects
 * garbage and writes its memory figures to the file `BENCH_MEMORY_FILE`. With `BENCH_SNAPSHOTS=1` it writes a heap
 * snapshot before, to the same name with `.heapsnapshot` appended.
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { getHeapStatistics, writeHeapSnapshot } from "node:v8";

const file = process.env.BENCH_MEMORY_FILE;
let reports = 0;

process.on("SIGUSR2", () => {
  if (file === undefined) return;
  // Objects with finalizers are only freed by the second collection.
  globalThis.gc?.();
  globalThis.gc?.();
  reports++;
  // A snapshot takes more memory than it describes, which stays with the process.
  if (process.env.BENCH_SNAPSHOTS === "1") writeHeapSnapshot(`${file}.heapsnapshot`);
  const heap = getHeapStatistics();
  const report = {
    report: reports,
    anonymousBytes: anonymousBytes(),
    heapResidentBytes: heap.total_physical_size,
    heapUsedBytes: heap.used_heap_size,
    externalBytes: process.memoryUsage().external,
  };
  writeFileSync(`${file}.new`, JSON.stringify(report));
  // Rename the complete file, so that a reader never sees a part of it.
  renameSync(`${file}.new`, file);
});

/** Returns the part of the resident set that is not mapped from files, in bytes. It excludes the program's code. */
function anonymousBytes(): number {
  const kib = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1];
  return Number(kib) * 1024;
}
