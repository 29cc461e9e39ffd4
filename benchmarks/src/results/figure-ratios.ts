import type { FigureRun } from "../figures/figure-run.js";
import { median } from "./median.js";

/**
 * Median and range of a figure over a subject's sound runs, which are valid and were not disturbed, or over all
 * its valid runs if no run is sound.
 */
export interface FigureMedian {
  readonly subject: string;
  readonly title: string;
  readonly median: number;
  readonly low: number;
  readonly high: number;
  /** Number of valid runs, and of those among them that were not disturbed. */
  readonly validRuns: number;
  readonly soundRuns: number;
}

/** Median and range, over the turns, of a figure of the first subject divided by that of another in the same turn. */
export interface FigureRatio {
  readonly title: string;
  readonly subject: string;
  readonly against: string;
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly turns: number;
  /** Number of turns in which at least one of the two runs was disturbed. */
  readonly doubtfulTurns: number;
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
    // Leave out figures that the other subject lacks, and divisors that are not positive, such as memory that did
    // not grow.
    if (other === undefined || mine === undefined || theirs === undefined || theirs <= 0) return [];
    return [{ value: mine / theirs, isDoubtful: own.disturbed || other.disturbed }];
  });
  if (turns.length === 0) return undefined;
  const sound = turns.filter(({ isDoubtful }) => !isDoubtful);
  const values = (sound.length > 0 ? sound : turns).map(({ value }) => value);
  return {
    ...{ title, subject, against, ...spreadOf(values) },
    ...{ turns: turns.length, doubtfulTurns: turns.length - sound.length },
  };
}

function spreadOf(values: readonly number[]) {
  return { median: median(values), low: Math.min(...values), high: Math.max(...values) };
}

function subjectsOf(runs: readonly FigureRun[]): string[] {
  return [...new Set(runs.map(({ subject }) => subject))];
}

function titlesOf(runs: readonly FigureRun[]): string[] {
  return [...new Set(runs.flatMap(({ figures }) => Object.keys(figures)))];
}
