import type { FigureRun } from "../figures/figure-run.js";
import { FIGURE_SCENARIOS } from "../figures/figure-scenarios.js";
import { takeFigureMedians, takeFigureRatios } from "./figure-ratios.js";
import { round, table } from "./tables.js";
import { ratioCell } from "./turn-ratio.js";

/** Returns the description of the figure scenario with this name, or an empty text if there is none. */
export function figureText(name: string): string {
  return FIGURE_SCENARIOS.find((scenario) => scenario.name === name)?.text ?? "";
}

/**
 * Returns Markdown tables of one figure scenario's runs: its ratios, if several subjects were measured, and its
 * figures.
 */
export function figureTables(runs: readonly FigureRun[]): string[] {
  const medians = takeFigureMedians(runs);
  const ratios = takeFigureRatios(runs);
  const subjects = [...new Set(medians.map(({ subject }) => subject))];
  const titles = [...new Set(medians.map(({ title }) => title))];
  const [first = "", ...others] = subjects;
  const ratioRows = titles.map((title) => [
    `${title}, ${first} /`,
    ...others.map((against) => ratioCell(ratios.find((each) => each.title === title && each.against === against))),
  ]);
  const figureRows = titles.map((title) => [
    title,
    ...subjects.map((subject) => {
      const found = medians.find((each) => each.subject === subject && each.title === title);
      if (found === undefined) return "-";
      const spread = found.low === found.high ? "" : ` (${round(found.low)} to ${round(found.high)})`;
      return `${round(found.median)}${spread}`;
    }),
  ]);
  return [...(others.length === 0 ? [] : [table(["", ...others], ratioRows)]), table(["", ...subjects], figureRows)];
}
