import type { FigureRun } from "../figures/figure-run.js";
import { ratioOfTurns, type Spread, spreadOf, type TurnRatio } from "./turn-ratio.js";

/**
 * Median and range of a figure over a subject's sound runs, which are valid and were not disturbed, or over all
 * its valid runs if no run is sound.
 */
export interface FigureMedian extends Spread {
  readonly subject: string;
  readonly title: string;
  /** Number of valid runs, and of those among them that were not disturbed. */
  readonly validRuns: number;
  readonly soundRuns: number;
}

/** A figure of the first subject divided by that of another in the same turn. */
export interface FigureRatio extends TurnRatio {
  readonly title: string;
  readonly subject: string;
  readonly against: string;
}

/** The medians of one scenario's runs, by subject and figure. */
export function takeFigureMedians(runs: readonly FigureRun[]): FigureMedian[] {
  return subjectsOf(runs).flatMap((subject) => {
    const valid = runs.filter((run) => run.valid && run.subject === subject);
    const sound = valid.filter((run) => !run.disturbed);
    const chosen = sound.length > 0 ? sound : valid;
    return titlesOf(valid).map((title) => {
      const values = chosen.flatMap(({ figures }) => figures[title] ?? []);
      return { subject, title, ...spreadOf(values), validRuns: valid.length, soundRuns: sound.length };
    });
  });
}

/** Compares the first subject of one scenario's runs with each of the others. */
export function takeFigureRatios(runs: readonly FigureRun[]): FigureRatio[] {
  const valid = runs.filter((run) => run.valid);
  const [first, ...others] = subjectsOf(valid);
  if (first === undefined) return [];
  return others.flatMap((against) => titlesOf(valid).flatMap((title) => ratioOf(valid, title, first, against) ?? []));
}

function ratioOf(runs: readonly FigureRun[], title: string, subject: string, against: string): FigureRatio | undefined {
  const turns = runs.flatMap((own) => {
    if (own.subject !== subject) return [];
    const other = runs.find((run) => run.subject === against && run.repeat === own.repeat);
    const [mine, theirs] = [own.figures[title], other?.figures[title]];
    // Leave out figures that the other subject lacks, and memory that did not grow.
    if (other === undefined || mine === undefined || theirs === undefined || mine < 0 || theirs <= 0) return [];
    return [{ value: mine / theirs, isDoubtful: own.disturbed || other.disturbed }];
  });
  const ratio = ratioOfTurns(turns);
  return ratio === undefined ? undefined : { title, subject, against, ...ratio };
}

function subjectsOf(runs: readonly FigureRun[]): string[] {
  return [...new Set(runs.map(({ subject }) => subject))];
}

function titlesOf(runs: readonly FigureRun[]): string[] {
  return [...new Set(runs.flatMap(({ figures }) => Object.keys(figures)))];
}
