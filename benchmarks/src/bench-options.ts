import { parseArgs } from "node:util";
import { CmError } from "@cm/protocol";
import { CONTENDER_NAMES, type ContenderName } from "./contenders.js";
import type { FigureScenario } from "./figures/figure-run.js";
import { FIGURE_SCENARIOS } from "./figures/figure-scenarios.js";
import {
  groupOf,
  MEMORY_SCENARIO,
  REAPING_SCENARIO,
  SCALE_OUT_SCENARIO,
  SCENARIO_GROUPS,
  SCENARIOS,
  type Scenario,
  STATISTICS_SCENARIO,
  STORMS_SCENARIO,
  scaled,
} from "./scenario.js";

/** The parsed command line: what to measure. */
export interface BenchOptions {
  readonly help: boolean;
  /** Whether to only generate `docs/performance.md` from the latest result of each scenario. */
  readonly page: boolean;
  readonly scenarios: readonly Scenario[];
  readonly figureScenarios: readonly FigureScenario[];
  readonly memory: boolean;
  readonly storms: boolean;
  readonly statistics: boolean;
  readonly reaping: boolean;
  readonly scaleOut: boolean;
  /** The contenders to measure, or `undefined` for those of each scenario. */
  readonly contenders: readonly ContenderName[] | undefined;
  /** Length of the steady part of each run, in seconds. */
  readonly seconds: number;
  readonly warmupSeconds: number;
  readonly repeats: number;
  /** Factor applied to each load; 1 is the full load. */
  readonly scale: number;
  /** Time after which no new turn begins, in minutes; all contenders run once per turn. */
  readonly maxMinutes: number;
  /** Folder that results are written to and the page is made from; without it, `benchmarks/results`. */
  readonly resultsFolder: string | undefined;
  /** Folder for the servers' CPU profiles; without it, no profiles are written. */
  readonly profileFolder: string | undefined;
}

const SCENARIO_NAMES = [
  ...SCENARIO_GROUPS,
  ...FIGURE_SCENARIOS.map(({ name }) => name),
  MEMORY_SCENARIO,
  STORMS_SCENARIO,
  STATISTICS_SCENARIO,
  REAPING_SCENARIO,
  SCALE_OUT_SCENARIO,
];

export const BENCH_USAGE = `Usage: npm run bench -- [options]

  --scenario NAME,...   ${SCENARIO_NAMES.join(", ")} (all)
  --contender NAME,...  ${CONTENDER_NAMES.join(", ")} (those of each scenario)
  --seconds N           steady part of each run (8)
  --warmup N            seconds of load before it (15)
  --repeat N            runs of each contender, interleaved (3)
  --scale N             part of each load, for a busy machine: fewer rooms, or members of one room (1)
  --minutes N           after this time no scenario begins another turn (600)
  --page                only makes docs/performance.md from the latest result of each scenario
  --results FOLDER      where results are (benchmarks/results)
  --profile FOLDER      servers write CPU profiles there; figures are then worth less`;

/** Parses the command line. Throws `options-invalid`. */
export function parseBenchOptions(args: readonly string[]): BenchOptions {
  const values = readFlags(args);
  const scenarioNames = namesOf("scenario", values.scenario, SCENARIO_NAMES);
  const contenders =
    values.contender === undefined ? undefined : namesOf("contender", values.contender, CONTENDER_NAMES);
  const scale = numberOf("scale", values.scale, 1, 0.01, 1);
  return {
    help: values.help ?? false,
    page: values.page ?? false,
    scenarios: SCENARIOS.filter((each) => scenarioNames.includes(groupOf(each))).map((each) => scaled(each, scale)),
    figureScenarios: FIGURE_SCENARIOS.filter(({ name }) => scenarioNames.includes(name)),
    scale,
    maxMinutes: numberOf("minutes", values.minutes, 600, 0.1, 600),
    memory: scenarioNames.includes(MEMORY_SCENARIO),
    storms: scenarioNames.includes(STORMS_SCENARIO),
    statistics: scenarioNames.includes(STATISTICS_SCENARIO),
    reaping: scenarioNames.includes(REAPING_SCENARIO),
    scaleOut: scenarioNames.includes(SCALE_OUT_SCENARIO),
    contenders: contenders && CONTENDER_NAMES.filter((name) => contenders.includes(name)),
    seconds: numberOf("seconds", values.seconds, 8, 1, 600),
    warmupSeconds: numberOf("warmup", values.warmup, 15, 0, 60),
    repeats: Math.trunc(numberOf("repeat", values.repeat, 3, 1, 50)),
    resultsFolder: values.results,
    profileFolder: values.profile,
  };
}

function readFlags(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        scenario: { type: "string" },
        contender: { type: "string" },
        seconds: { type: "string" },
        warmup: { type: "string" },
        repeat: { type: "string" },
        scale: { type: "string" },
        minutes: { type: "string" },
        profile: { type: "string" },
        results: { type: "string" },
        page: { type: "boolean" },
        help: { type: "boolean" },
      },
    }).values;
  } catch (cause) {
    throw new CmError("options-invalid", cause instanceof Error ? cause.message : "Unreadable options.", { cause });
  }
}

function namesOf(flag: string, text: string | undefined, known: readonly string[]): readonly string[] {
  const names = text?.split(",") ?? known;
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new CmError("options-invalid", `--${flag} has no "${unknown}"; there is ${known.join(", ")}.`);
  }
  return names;
}

function numberOf(flag: string, text: string | undefined, fallback: number, min: number, max: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!(value >= min && value <= max)) {
    throw new CmError("options-invalid", `--${flag} must be from ${min} to ${max}.`);
  }
  return value;
}
