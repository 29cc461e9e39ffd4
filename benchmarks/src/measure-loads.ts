import type { RedisServer } from "@cm/test-kit";
import type { ContenderName } from "./contenders.js";
import { Progress } from "./progress.js";
import type { Scenario } from "./scenario.js";
import { type Measurement, measure } from "./scenario-measurement.js";

/** Options of {@link measureLoads}. */
export interface MeasureLoadsOptions {
  readonly redis: RedisServer;
  /** The contenders to measure instead of those of each scenario. */
  readonly chosen: readonly ContenderName[] | undefined;
  readonly repeats: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
  readonly profileFolder: string | undefined;
  /** Time after which no turn begins, in milliseconds on the clock of `performance.now()`. */
  readonly lastStart: number;
}

/**
 * Runs all load scenarios. The contenders run alternately, so that a temporary disturbance of the machine
 * affects all of them. A disturbed run is repeated once.
 */
export async function measureLoads(
  scenarios: readonly Scenario[],
  { redis, chosen, repeats, seconds, warmupSeconds, profileFolder, lastStart }: MeasureLoadsOptions,
): Promise<Measurement[]> {
  const contendersOf = (scenario: Scenario) => chosen ?? scenario.contenders;
  const runs = scenarios.reduce((sum, scenario) => sum + contendersOf(scenario).length, 0) * repeats;
  const progress = new Progress(runs);
  const measurements: Measurement[] = [];
  for (let repeat = 1; repeat <= repeats; repeat++) {
    for (const scenario of scenarios) {
      // Only check the time between turns: a turn must be run by all contenders or by none, because ratios are
      // calculated within a turn.
      if (performance.now() > lastStart) return measurements;
      for (const contender of contendersOf(scenario)) {
        const nodeArgs =
          profileFolder === undefined
            ? []
            : ["--cpu-prof", `--cpu-prof-dir=${profileFolder}/${scenario.name}-${contender}`];
        const once = () => measure(contender, { scenario, repeat, warmupSeconds, seconds, redis, nodeArgs });
        let run = await once();
        progress.done(summarize(run));
        if (run.disturbed && performance.now() < lastStart) {
          run = await once();
          progress.repeated(summarize(run));
        }
        measurements.push(run);
      }
    }
  }
  return measurements;
}

function summarize(run: Measurement): string {
  return (
    `${run.scenario} ${run.contender} #${run.repeat}: ${run.serverCpuUsPerDelivery.toFixed(2)} µs a delivery, ` +
    `${run.redisCpuUsPerMessage.toFixed(1)} µs of Redis a message, ${run.deliveriesPerSecond.toFixed(0)} deliveries/s, ` +
    `p50 ${run.p50Ms.toFixed(2)} ms, p99 ${run.p99Ms.toFixed(2)} ms, ping p99 ${run.ping.p99Ms.toFixed(2)} ms, ` +
    `${run.serverCores.toFixed(2)} cores of servers, driver ${(run.driverBusy * 100).toFixed(0)} % busy` +
    `${run.saturated ? ", saturated" : ""}${run.driverFull ? ", the driver was the bottleneck" : ""}` +
    `${run.disturbed ? `, disturbed by ${run.otherCores.toFixed(2)} cores` : ""}` +
    `${run.valid ? "" : `, INVALID (${run.losses} lost, ${run.duplicates} doubled)`}`
  );
}
