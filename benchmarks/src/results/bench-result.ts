import type { FigureRun } from "../figures/figure-run.js";
import type { MemoryMeasurement } from "../memory/redis-memory.js";
import type { StormResult } from "../operations/presence-storms.js";
import type { ReapingCost } from "../operations/reaping-cost.js";
import type { StatisticsCost } from "../operations/statistics-cost.js";
import type { ScaleOutResult } from "../scale-out/scale-out.js";
import type { Scenario } from "../scenario.js";
import type { Measurement } from "../scenario-measurement.js";
import type { Goal } from "./goals.js";
import type { Medians, Ratio } from "./load-ratios.js";
import type { Machine } from "./machine.js";

/** The results of one benchmark run. */
export interface BenchResult {
  /** Start time, ISO 8601, UTC. */
  readonly startedAt: string;
  readonly commit: string;
  readonly machine: Machine;
  readonly seconds: number;
  readonly warmupSeconds: number;
  readonly repeats: number;
  /** Factor applied to each scenario's load; 1 is the full load. */
  readonly scale: number;
  readonly scenarios: readonly Scenario[];
  readonly medians: readonly Medians[];
  readonly ratios: readonly Ratio[];
  readonly memory: MemoryMeasurement | undefined;
  readonly storms: readonly StormResult[];
  readonly statistics: readonly StatisticsCost[];
  readonly reaping: ReapingCost | undefined;
  readonly scaleOut: readonly ScaleOutResult[];
  /** Runs of the scenarios that measure other figures than those of a load. */
  readonly figureRuns: readonly FigureRun[];
  readonly goals: readonly Goal[];
  readonly measurements: readonly Measurement[];
}
