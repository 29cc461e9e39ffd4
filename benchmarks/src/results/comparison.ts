import { CONTENDER_NAMES, type ContenderName } from "../contender.js";
import type { Measurement } from "../measure.js";

/** The medians of a contender's valid runs under one scenario. */
export interface Medians {
  readonly contender: ContenderName;
  readonly scenario: string;
  readonly validRuns: number;
  readonly invalidRuns: number;
  readonly saturatedRuns: number;
  readonly disturbedRuns: number;
  readonly serverCpuUsPerDelivery: number;
  readonly serverUserUsPerDelivery: number;
  readonly redisCpuUsPerMessage: number;
  readonly deliveriesPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Medians by scenario and contender; contenders without a valid run are left out. */
export function takeMedians(measurements: readonly Measurement[]): Medians[] {
  const scenarios = [...new Set(measurements.map((measurement) => measurement.scenario))];
  return scenarios.flatMap((scenario) =>
    CONTENDER_NAMES.flatMap((contender) => {
      const runs = measurements.filter((run) => run.scenario === scenario && run.contender === contender);
      const valid = runs.filter((run) => run.valid);
      if (valid.length === 0) return [];
      const of = (read: (run: Measurement) => number) => median(valid.map(read));
      return [
        {
          contender,
          scenario,
          validRuns: valid.length,
          invalidRuns: runs.length - valid.length,
          saturatedRuns: valid.filter((run) => run.saturated || run.driverFull).length,
          disturbedRuns: valid.filter((run) => run.disturbed).length,
          serverCpuUsPerDelivery: of((run) => run.serverCpuUsPerDelivery),
          serverUserUsPerDelivery: of((run) => run.serverUserUsPerDelivery),
          redisCpuUsPerMessage: of((run) => run.redisCpuUsPerMessage),
          deliveriesPerSecond: of((run) => run.deliveriesPerSecond),
          p50Ms: of((run) => run.p50Ms),
          p99Ms: of((run) => run.p99Ms),
        },
      ];
    }),
  );
}

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  return (lower + upper) / 2;
}
