import { median } from "./median.js";
import { round } from "./tables.js";

/** Median and range of values. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/**
 * A figure of one run divided by that of another run in the same turn: median and range over the turns that are
 * not doubtful, or over all turns if all are doubtful.
 */
export interface TurnRatio extends Spread {
  /** Number of turns in which both runs were valid. */
  readonly turns: number;
  /** Number of turns in which at least one of the two runs was disturbed, saturated, or limited by the driver. */
  readonly doubtfulTurns: number;
}

export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), low: Math.min(...values), high: Math.max(...values) };
}

/** Returns `undefined` without turns. */
export function ratioOfTurns(
  turns: readonly { readonly value: number; readonly isDoubtful: boolean }[],
): TurnRatio | undefined {
  if (turns.length === 0) return undefined;
  const sound = turns.filter(({ isDoubtful }) => !isDoubtful);
  const values = (sound.length > 0 ? sound : turns).map(({ value }) => value);
  return { ...spreadOf(values), turns: turns.length, doubtfulTurns: turns.length - sound.length };
}

/** Formats a ratio for a cell of a table. */
export function ratioCell(ratio: TurnRatio | undefined): string {
  if (ratio === undefined) return "-";
  const doubt = ratio.doubtfulTurns === 0 ? "" : `, ${ratio.doubtfulTurns} of ${ratio.turns} doubtful`;
  return `**${round(ratio.median)}** (${round(ratio.low)} to ${round(ratio.high)}${doubt})`;
}
