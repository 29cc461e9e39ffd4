import { readdirSync, readFileSync } from "node:fs";

/**
 * `USER_HZ`: the number of ticks per second in `/proc/<pid>/stat`. It is 100 on every Linux system that Node.js
 * runs on.
 */
const TICKS_PER_SECOND = 100;

/** Seconds of processor time used by a process and its threads. */
export interface CpuSeconds {
  /** User and system together, from a clock of nanoseconds. */
  readonly total: number;
  /** The parts in user mode and in the kernel, from a clock that ticks every 10 ms. */
  readonly user: number;
  readonly system: number;
}

/** No processor time. */
export const NO_CPU: CpuSeconds = { total: 0, user: 0, system: 0 };

/** Returns the processor time that a process has used so far. */
export function readProcessCpu(pid: number): CpuSeconds {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The name in parentheses may contain any character, so count the fields after it: utime is the 12th, stime the
  // 13th.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [user, system] = [Number(fields[11]) / TICKS_PER_SECOND, Number(fields[12]) / TICKS_PER_SECOND];
  return { total: readThreadSeconds(pid) ?? user + system, user, system };
}

/**
 * Returns the processor time of all running threads of a process, or `undefined` on a kernel without scheduler
 * statistics. A thread that has ended no longer counts; Node.js and Redis keep their threads.
 */
function readThreadSeconds(pid: number): number | undefined {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      // The fields are the time on a processor, the time of waiting for one, both in ns, and the number of time slices.
      nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "latin1").split(" ", 1)[0]);
    } catch {
      if (thread === String(pid)) return undefined;
      // Another thread has ended since the list was read.
    }
  }
  return nanoseconds / 1e9;
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
  const sum = (name: keyof CpuSeconds) => parts.reduce((total, part) => total + part[name], 0);
  return { total: sum("total"), user: sum("user"), system: sum("system") };
}

export function cpuBetween(before: CpuSeconds, after: CpuSeconds): CpuSeconds {
  return {
    total: after.total - before.total,
    user: after.user - before.user,
    system: after.system - before.system,
  };
}
