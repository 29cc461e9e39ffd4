import type { FigureRun } from "../figures/figure-run.js";
import { FIGURE_SCENARIOS } from "../figures/figure-scenarios.js";
import { takeFigureMedians, takeFigureRatios } from "./figure-ratios.js";
import { measured, table } from "./tables.js";
import { ratioCell } from "./turn-ratio.js";

/** Describes a run of the figure scenario with this name. Returns an empty text if there is no such scenario. */
export function figureText(name: string, scale: number): string {
  return FIGURE_SCENARIOS.find((scenario) => scenario.name === name)?.text(scale) ?? "";
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
      const spread = found.low === found.high ? "" : ` (${measured(found.low)} to ${measured(found.high)})`;
      return found.median < 0 ? measured(found.median) : `${measured(found.median)}${spread}`;
    }),
  ]);
  return [...(others.length === 0 ? [] : [table(["", ...others], ratioRows)]), table(["", ...subjects], figureRows)];
}
