import { performance } from "node:perf_hooks";
import { cpuBetween, readProcessCpu, sumCpu } from "../process-cpu.js";

/** The time, and the processor time of some processes, since a meter was constructed. */
export class CpuMeter {
  readonly #pids: readonly number[];
  readonly #startedAt = performance.now();
  readonly #before;

  constructor(pids: readonly number[]) {
    this.#pids = pids;
    this.#before = sumCpu(pids.map(readProcessCpu));
  }

  get elapsedMs(): number {
    return performance.now() - this.#startedAt;
  }

  /** Microseconds of processor time, user and system, of all processes together. */
  get cpuUs(): number {
    const spent = cpuBetween(this.#before, sumCpu(this.#pids.map(readProcessCpu)));
    return (spent.user + spent.system) * 1e6;
  }
}
