import { readFileSync } from "node:fs";

/** `USER_HZ`: what the kernel counts a second into `/proc/<pid>/stat`. 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** Seconds of processor time that a process and its threads have used. */
export interface CpuSeconds {
  readonly user: number;
  readonly system: number;
}

/** What a process has used so far. */
export function readProcessCpu(pid: number): CpuSeconds {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The name in parentheses may hold anything; fields are counted from behind it, utime being the 12th there.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { user: Number(fields[11]) / TICKS_PER_SECOND, system: Number(fields[12]) / TICKS_PER_SECOND };
}

/**
 * Seconds that all processes of this machine have used, and that its host took away (steal). Interrupts are
 * left out: no process is charged with them, and here they are what the loopback interface does with the
 * traffic that is being measured.
 */
export function readMachineBusySeconds(): number {
  const [line = ""] = readFileSync("/proc/stat", "latin1").split("\n", 1);
  // cpu user nice system idle iowait irq softirq steal; guest times behind it are part of user.
  const [user = 0, nice = 0, system = 0, , , , , steal = 0] = line.split(/\s+/).slice(1).map(Number);
  return (user + nice + system + steal) / TICKS_PER_SECOND;
}

export function sumCpu(parts: readonly CpuSeconds[]): CpuSeconds {
  return {
    user: parts.reduce((sum, part) => sum + part.user, 0),
    system: parts.reduce((sum, part) => sum + part.system, 0),
  };
}

export function cpuBetween(before: CpuSeconds, after: CpuSeconds): CpuSeconds {
  return { user: after.user - before.user, system: after.system - before.system };
}
