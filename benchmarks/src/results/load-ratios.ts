import { CONTENDER_NAMES, type ContenderName, isOwnContender, OWN_CONTENDERS } from "../contenders.js";
import { type CommandUse, sumOfUses } from "../operations/command-uses.js";
import type { Measurement } from "../scenario-measurement.js";
import { median } from "./median.js";
import { ratioOfTurns, type TurnRatio } from "./turn-ratio.js";

/** The medians of a contender's sound runs in a scenario, or of all its valid runs if no run is sound. */
export interface Medians {
  readonly contender: ContenderName;
  readonly scenario: string;
  readonly validRuns: number;
  readonly invalidRuns: number;
  readonly saturatedRuns: number;
  readonly disturbedRuns: number;
  /** Number of sound runs: valid runs that were neither saturated nor disturbed. */
  readonly soundRuns: number;
  readonly serverCpuUsPerDelivery: number;
  readonly serverUserUsPerDelivery: number;
  readonly redisCpuUsPerMessage: number;
  /**
   * Number of `PUBLISH` commands for a message, and their time in microseconds; `NaN` if an older build did not count
   * them.
   */
  readonly publishCommandsPerMessage: number;
  readonly publishUsPerMessage: number;
  /** The longest pause of a garbage collection, in milliseconds; `NaN` if an older build did not measure it. */
  readonly longestGcMs: number;
  readonly deliveriesPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** 99th percentile of the ping latency of a connection that is alone in its room. */
  readonly pingP99Ms: number;
  /** Number of cores that the busiest server used. */
  readonly busiestServerCores: number;
  /** Memory of all servers at the end of a run, in MiB. */
  readonly serverMiB: number;
}

/** A figure of one contender divided by that of another, in the same turn of the same scenario. */
export interface Ratio extends TurnRatio {
  readonly scenario: string;
  readonly figure: RatioFigure;
  readonly contender: ContenderName;
  readonly against: ContenderName;
}

/** The figures that ratios are calculated for. */
const RATIO_FIGURES = {
  "server CPU a delivery": (run: Measurement) => run.serverCpuUsPerDelivery,
  "Redis CPU a message": (run: Measurement) => run.redisCpuUsPerMessage,
  "latency p99": (run: Measurement) => run.p99Ms,
  "deliveries a second of a server core": (run: Measurement) => deliveriesPerCoreSecond(run),
} as const;
export type RatioFigure = keyof typeof RATIO_FIGURES;

/**
 * Deliveries for each second of a server's processor time. At saturation, this is what one core delivers, even if
 * the driver and Redis leave the server less than a whole core.
 */
export function deliveriesPerCoreSecond({
  serverCpuUsPerDelivery,
}: {
  readonly serverCpuUsPerDelivery: number;
}): number {
  return 1e6 / serverCpuUsPerDelivery;
}

/** The figures that are worth comparing in a scenario. */
export function figuresOf(scenario: string): readonly RatioFigure[] {
  return scenario === "saturation"
    ? ["deliveries a second of a server core", "Redis CPU a message", "latency p99"]
    : ["server CPU a delivery", "Redis CPU a message", "latency p99"];
}

/** Compares each form of the gateway with each of the other contenders. */
export function takeRatios(measurements: readonly Measurement[]): Ratio[] {
  const ratios: Ratio[] = [];
  for (const scenario of new Set(measurements.map((run) => run.scenario))) {
    const runs = measurements.filter((run) => run.scenario === scenario && run.valid);
    for (const contender of OWN_CONTENDERS) {
      for (const against of CONTENDER_NAMES.filter((name) => !isOwnContender(name))) {
        for (const figure of Object.keys(RATIO_FIGURES) as RatioFigure[]) {
          const ratio = ratioOf(runs, figure, contender, against);
          if (ratio !== undefined) ratios.push({ scenario, figure, contender, against, ...ratio });
        }
      }
    }
  }
  return ratios;
}

function ratioOf(runs: readonly Measurement[], figure: RatioFigure, contender: ContenderName, against: ContenderName) {
  const read = RATIO_FIGURES[figure];
  const turns = runs.flatMap((own) => {
    if (own.contender !== contender) return [];
    const other = runs.find((run) => run.contender === against && run.repeat === own.repeat);
    // Skip a divisor of 0: processor time too short for the clock.
    if (other === undefined || read(other) <= 0) return [];
    return [{ value: read(own) / read(other), isDoubtful: isDoubtful(own) || isDoubtful(other) }];
  });
  return ratioOfTurns(turns);
}

function publishes({ redisCommands }: Measurement): CommandUse {
  if (redisCommands === undefined) return { calls: Number.NaN, us: Number.NaN };
  return sumOfUses(redisCommands, (name) => name === "publish" || name === "spublish");
}

function isDoubtful(run: Measurement): boolean {
  return run.disturbed || run.saturated || run.driverFull;
}

/** Returns the medians by scenario and contender. Contenders that have no valid run are left out. */
export function takeMedians(measurements: readonly Measurement[]): Medians[] {
  const scenarios = [...new Set(measurements.map((measurement) => measurement.scenario))];
  return scenarios.flatMap((scenario) =>
    CONTENDER_NAMES.flatMap((contender) => {
      const runs = measurements.filter((run) => run.scenario === scenario && run.contender === contender);
      const valid = runs.filter((run) => run.valid);
      if (valid.length === 0) return [];
      const sound = valid.filter((run) => !isDoubtful(run));
      const of = (read: (run: Measurement) => number) => median((sound.length > 0 ? sound : valid).map(read));
      return [
        {
          contender,
          scenario,
          validRuns: valid.length,
          invalidRuns: runs.length - valid.length,
          saturatedRuns: valid.filter((run) => run.saturated || run.driverFull).length,
          disturbedRuns: valid.filter((run) => run.disturbed).length,
          soundRuns: sound.length,
          serverCpuUsPerDelivery: of((run) => run.serverCpuUsPerDelivery),
          serverUserUsPerDelivery: of((run) => run.serverUserUsPerDelivery),
          redisCpuUsPerMessage: of((run) => run.redisCpuUsPerMessage),
          publishCommandsPerMessage: of((run) => publishes(run).calls),
          publishUsPerMessage: of((run) => publishes(run).us),
          longestGcMs: of((run) => run.gc?.longestMs ?? Number.NaN),
          deliveriesPerSecond: of((run) => run.deliveriesPerSecond),
          p50Ms: of((run) => run.p50Ms),
          p99Ms: of((run) => run.p99Ms),
          pingP99Ms: of((run) => run.ping.p99Ms),
          busiestServerCores: of((run) => run.busiestServerCores),
          serverMiB: of((run) => run.serverMiB),
        },
      ];
    }),
  );
}
