import { performance } from "node:perf_hooks";
import { cpuBetween, readMachineBusySeconds, readProcessCpu, sumCpu } from "../process-cpu.js";

/** Measures how many cores are used by processes that do not take part in a run. */
export class MachineWatch {
  readonly #pids: readonly number[];
  readonly #startedAt = performance.now();
  readonly #busySeconds = readMachineBusySeconds();
  readonly #ours;

  /** Starts measuring. `pids` are the processes that take part, besides this one; they must outlive the watch. */
  constructor(pids: readonly number[]) {
    this.#pids = [process.pid, ...pids];
    this.#ours = sumCpu(this.#pids.map(readProcessCpu));
  }

  /** Average number of cores that other processes have used so far. */
  otherCores(): number {
    const seconds = (performance.now() - this.#startedAt) / 1_000;
    const ours = cpuBetween(this.#ours, sumCpu(this.#pids.map(readProcessCpu)));
    const busySeconds = readMachineBusySeconds() - this.#busySeconds;
    return Math.max(0, busySeconds - ours.total) / seconds;
  }
}
