/**
 * Loaded into a server before its program (`--import`): appends the pauses of garbage collections to the file
 * `BENCH_GC_FILE`, a line each: the time of the start in milliseconds since 1970, and the duration in milliseconds.
 */
import { appendFileSync } from "node:fs";
import { PerformanceObserver, performance } from "node:perf_hooks";

/** Time between two writes, in milliseconds. A write for each pause would use more of the measured processor time. */
const WRITE_EVERY_MS = 200;

const file = process.env.BENCH_GC_FILE;
let lines = "";

new PerformanceObserver((list) => {
  for (const { startTime, duration } of list.getEntries()) {
    lines += `${performance.timeOrigin + startTime} ${duration}\n`;
  }
}).observe({ entryTypes: ["gc"] });

setInterval(() => {
  if (file === undefined || lines === "") return;
  appendFileSync(file, lines);
  lines = "";
}, WRITE_EVERY_MS).unref();
