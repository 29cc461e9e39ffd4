import { CONTENDER_NAMES, type ContenderName } from "../contenders.js";
import { Progress } from "../progress.js";
import { DISTURBED_CORES } from "../scenario-measurement.js";
import type { FigureContext, FigureRun, FigureScenario } from "./figure-run.js";

/** Options of {@link measureFigures}. */
export interface MeasureFiguresOptions extends Omit<FigureContext, "repeat"> {
  readonly repeats: number;
  /** The contenders to measure instead of all; subjects that are no contenders are always measured. */
  readonly chosen: readonly ContenderName[] | undefined;
  /** Time after which no turn begins, in milliseconds on the clock of `performance.now()`. */
  readonly lastStart: number;
}

/** Runs scenarios. The subjects take turns, and a disturbed run is repeated once. */
export async function measureFigures(
  scenarios: readonly FigureScenario[],
  { repeats, chosen, lastStart, ...context }: MeasureFiguresOptions,
): Promise<FigureRun[]> {
  const subjectsOf = ({ subjects }: FigureScenario) => subjects.filter((subject) => isChosen(subject, chosen));
  const progress = new Progress(scenarios.reduce((sum, scenario) => sum + subjectsOf(scenario).length, 0) * repeats);
  const runs: FigureRun[] = [];
  for (let repeat = 1; repeat <= repeats; repeat++) {
    for (const scenario of scenarios) {
      // Only check the time between turns, because ratios are calculated within a turn.
      if (performance.now() > lastStart) return runs;
      for (const subject of subjectsOf(scenario)) {
        const once = () => measureOnce(scenario, subject, { ...context, repeat });
        let run = await once();
        progress.done(summarize(run));
        if (run.disturbed && performance.now() < lastStart) {
          run = await once();
          progress.repeated(summarize(run));
        }
        runs.push(run);
      }
    }
  }
  return runs;
}

function isChosen(subject: string, chosen: readonly ContenderName[] | undefined): boolean {
  if (chosen === undefined) return true;
  return chosen.some((name) => name === subject) || !CONTENDER_NAMES.some((name) => name === subject);
}

async function measureOnce(scenario: FigureScenario, subject: string, context: FigureContext): Promise<FigureRun> {
  const sample = await scenario.measure(subject, context);
  const disturbed = sample.otherCores > DISTURBED_CORES;
  return { scenario: scenario.name, subject, repeat: context.repeat, disturbed, ...sample };
}

function summarize({ scenario, subject, repeat, valid, disturbed, otherCores, figures }: FigureRun): string {
  const told = Object.entries(figures).map(([title, value]) => `${title} ${value.toFixed(2)}`);
  const doubts = `${disturbed ? `, disturbed by ${otherCores.toFixed(2)} cores` : ""}${valid ? "" : ", INVALID"}`;
  return `${scenario} ${subject} #${repeat}: ${told.join(", ")}${doubts}`;
}
