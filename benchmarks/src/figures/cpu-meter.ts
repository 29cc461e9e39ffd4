import { performance } from "node:perf_hooks";
import { cpuBetween, readProcessCpu, sumCpu } from "../process-cpu.js";

/** Measures the time, and the processor time of given processes, since it was constructed. */
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

  /** Microseconds of processor time, user and system, of all given processes together. */
  get cpuUs(): number {
    return cpuBetween(this.#before, sumCpu(this.#pids.map(readProcessCpu))).total * 1e6;
  }
}
