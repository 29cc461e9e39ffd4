import { readFileSync } from "node:fs";

/** Returns the resident set of a process in bytes. */
export function readProcessBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  if (kib === undefined) throw new Error(`The process ${pid} has no memory.`);
  return Number(kib) * 1024;
}
