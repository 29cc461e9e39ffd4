import { readFileSync } from "node:fs";

/**
 * `USER_HZ`: the number of ticks per second in `/proc/<pid>/stat`. It is 100 on every Linux system that Node.js
 * runs on.
 */
const TICKS_PER_SECOND = 100;

/** Seconds of processor time used by a process and its threads. */
export interface CpuSeconds {
  readonly user: number;
  readonly system: number;
}

/** Returns the processor time that a process has used so far. */
export function readProcessCpu(pid: number): CpuSeconds {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The name in parentheses may contain any character, so count the fields after it: utime is the 12th, stime the
  // 13th.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { user: Number(fields[11]) / TICKS_PER_SECOND, system: Number(fields[12]) / TICKS_PER_SECOND };
}

/**
 * Returns the seconds of processor time used by all processes of this machine, plus those that the machine's host
 * took away (steal). Interrupts are excluded, because they are not charged to any process; during a run they are
 * work of the loopback interface for the measured traffic.
 */
export function readMachineBusySeconds(): number {
  const [line = ""] = readFileSync("/proc/stat", "latin1").split("\n", 1);
  // The fields are cpu, user, nice, system, idle, iowait, irq, softirq and steal. The guest times after them
  // are part of user.
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
