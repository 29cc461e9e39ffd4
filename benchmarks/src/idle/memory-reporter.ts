/**
 * Loaded into a server before its program (`--import`), with `--expose-gc`: on SIGUSR2, the process collects
 * garbage and writes its memory figures to the file `BENCH_MEMORY_FILE`.
 */
import { renameSync, writeFileSync } from "node:fs";

const file = process.env.BENCH_MEMORY_FILE;
let reports = 0;

process.on("SIGUSR2", () => {
  if (file === undefined) return;
  // Objects with finalizers are only freed by the second collection.
  globalThis.gc?.();
  globalThis.gc?.();
  reports++;
  writeFileSync(`${file}.new`, JSON.stringify({ report: reports, ...process.memoryUsage() }));
  // Rename the complete file, so that a reader never sees a part of it.
  renameSync(`${file}.new`, file);
});
