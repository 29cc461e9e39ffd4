import type { FigureRun } from "../figures/figure-run.js";
import { groupOf, SCENARIOS, type Scenario } from "../scenario.js";
import type { Measurement } from "../scenario-measurement.js";
import type { BenchResult } from "./bench-result.js";

/** A result and the name of its Markdown file. */
export interface NamedResult {
  readonly name: string;
  readonly result: BenchResult;
}

/** Something that was measured, and the result that it is from. */
export interface Sourced<T> {
  readonly source: NamedResult;
  readonly value: T;
}

/** The load scenarios of a group with their runs. */
export interface LoadSection {
  readonly name: string;
  readonly loads: readonly { readonly scenario: Scenario; readonly measurements: readonly Measurement[] }[];
}

/** The newest measurement of each scenario, each from the result that measured it last. */
export interface LatestResults {
  readonly loads: readonly Sourced<LoadSection>[];
  readonly figures: readonly Sourced<{ readonly name: string; readonly runs: readonly FigureRun[] }>[];
  readonly memory: Sourced<BenchResult["memory"]> | undefined;
  readonly storms: Sourced<BenchResult["storms"]> | undefined;
  readonly statistics: Sourced<BenchResult["statistics"]> | undefined;
  readonly reaping: Sourced<BenchResult["reaping"]> | undefined;
  readonly scaleOut: Sourced<BenchResult["scaleOut"]> | undefined;
}

/** Chooses the newest measurement of each scenario. Fields that older results do not have count as not measured. */
export function chooseLatest(results: readonly NamedResult[], figureScenarios: readonly string[]): LatestResults {
  const newestFirst = [...results].sort((left, right) => right.result.startedAt.localeCompare(left.result.startedAt));
  const latest = <T>(read: (result: BenchResult) => T | undefined): Sourced<T> | undefined => {
    for (const source of newestFirst) {
      const value = read(source.result);
      if (value !== undefined) return { source, value };
    }
    return undefined;
  };
  const groups = [...new Set(SCENARIOS.map(groupOf))];
  return {
    loads: groups.flatMap((group) => latest((result) => loadSection(result, group)) ?? []),
    figures: figureScenarios.flatMap((name) => latest((result) => figureSection(result, name)) ?? []),
    memory: latest(({ memory }) => memory),
    storms: latest(({ storms }) => filled(storms)),
    statistics: latest(({ statistics }) => filled(statistics)),
    reaping: latest(({ reaping }) => reaping),
    scaleOut: latest(({ scaleOut }) => filled(scaleOut)),
  };
}

function loadSection(result: BenchResult, group: string): LoadSection | undefined {
  // A result without ratios was written by an older build, and its measurements lack figures.
  if (filled(result.ratios) === undefined) return undefined;
  const loads = result.scenarios
    .filter((scenario) => groupOf(scenario) === group)
    .map((scenario) => ({
      scenario,
      measurements: result.measurements.filter((run) => run.scenario === scenario.name),
    }))
    .filter(({ measurements }) => measurements.length > 0);
  return loads.length === 0 ? undefined : { name: group, loads };
}

function figureSection({ figureRuns }: BenchResult, name: string) {
  const runs = filled(figureRuns)?.filter((run) => run.scenario === name);
  return runs === undefined || runs.length === 0 ? undefined : { name, runs };
}

/** The list, or `undefined` if it is empty or missing in an older result. */
function filled<T>(list: readonly T[] | undefined): readonly T[] | undefined {
  return list === undefined || list.length === 0 ? undefined : list;
}
