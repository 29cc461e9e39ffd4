import type { PaceReport } from "../pacer.js";
import type { DriverFigures, SteadyFigures } from "./load-report.js";

/** The object that the meter reads the counts from. */
export interface CountSource {
  totals(): { readonly published: number; readonly delivered: number };
}

/** Measures the steady part of a run, from the construction of the meter to {@link SteadyMeter.read}. */
export class SteadyMeter {
  readonly #source: CountSource;
  readonly #before: { readonly published: number; readonly delivered: number };
  readonly #startedAt = performance.now();
  readonly #utilization = performance.eventLoopUtilization();
  readonly #cpu = process.cpuUsage();

  constructor(source: CountSource) {
    this.#source = source;
    this.#before = source.totals();
  }

  read(wantedPerSecond: number, pace: PaceReport): { steady: SteadyFigures; driver: DriverFigures } {
    const after = this.#source.totals();
    const cpu = process.cpuUsage(this.#cpu);
    return {
      steady: {
        seconds: (performance.now() - this.#startedAt) / 1000,
        wantedPerSecond,
        published: after.published - this.#before.published,
        deliveries: after.delivered - this.#before.delivered,
      },
      driver: {
        busy: performance.eventLoopUtilization(this.#utilization).utilization,
        cpuSeconds: (cpu.user + cpu.system) / 1_000_000,
        maxLagMs: pace.maxLagMs,
      },
    };
  }
}
