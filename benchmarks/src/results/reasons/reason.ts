import type { FigureRun } from "../../figures/figure-run.js";
import type { MemoryMeasurement } from "../../memory/redis-memory.js";
import type { StormResult } from "../../operations/presence-storms.js";
import type { ReapingCost } from "../../operations/reaping-cost.js";
import type { Medians, Ratio } from "../load-ratios.js";

/** The measurements that reasons are taken from. */
export interface Evidence {
  readonly medians: readonly Medians[];
  readonly ratios: readonly Ratio[];
  readonly figureRuns: readonly FigureRun[];
  readonly memory: MemoryMeasurement | undefined;
  readonly storms: readonly StormResult[];
  readonly reaping: ReapingCost | undefined;
}

/** The goal that is missed: the scenario, the figure as the page shows it, and the limit. */
export interface Missed {
  readonly scenario: string;
  readonly figure: string;
  readonly limit: number;
}

/** Returns a reason, or `undefined` if it is about another goal or its measurement is missing. */
export type Reason = (missed: Missed, evidence: Evidence) => string | undefined;
