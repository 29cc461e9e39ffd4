import type { ContenderName } from "../contender.js";
import type { MemoryMeasurement } from "../memory/redis-memory.js";
import type { ReapingCost } from "../operations/reaping-cost.js";
import type { Medians, Ratio, RatioFigure } from "./comparison.js";

/** A figure against what it should be. */
export interface Goal {
  readonly figure: string;
  readonly scenario: string;
  readonly value: number;
  readonly limit: number;
  /** Whether the limit itself is still good. */
  readonly limitIncluded: boolean;
  readonly met: boolean;
  /** Why the figure deserves less trust, where it does. */
  readonly caution: string | undefined;
}

interface RatioGoal {
  readonly scenarios: readonly string[];
  readonly figure: RatioFigure;
  readonly against: ContenderName;
  readonly limit: number;
  readonly limitIncluded: boolean;
}

const CALM = ["many-rooms", "big-rooms"];
const HOT = ["hot-rooms", "hot-crowd"];
const ALL = [...CALM, ...HOT, "huge-room"];

const RATIO_GOALS: readonly RatioGoal[] = [
  { scenarios: CALM, figure: "server CPU a delivery", against: "minimum", limit: 1.05, limitIncluded: true },
  { scenarios: CALM, figure: "server CPU a delivery", against: "same-bytes", limit: 1.05, limitIncluded: true },
  { scenarios: HOT, figure: "server CPU a delivery", against: "minimum", limit: 0.5, limitIncluded: true },
  { scenarios: ALL, figure: "server CPU a delivery", against: "socket.io", limit: 0.6, limitIncluded: false },
  { scenarios: ALL, figure: "server CPU a delivery", against: "socket.io-uws", limit: 0.85, limitIncluded: false },
  { scenarios: CALM, figure: "latency p99", against: "minimum", limit: 1.1, limitIncluded: true },
  { scenarios: ALL, figure: "Redis CPU a message", against: "minimum", limit: 1, limitIncluded: true },
];

/** A window of 10 ms, and what the way takes beside it. */
const HOT_P50_MS = 12;

/** What a connection that has nothing to do with a huge room may wait for a pong. */
const UNINVOLVED_PING_P99_MS = 10;

const MEMORY_LIMIT_BYTES = 350;

/** What cleaning up may hold Redis for at a time. */
const LONGEST_COMMAND_MS = 10;

/** Every goal that what was measured can judge. */
export function judgeGoals(
  medians: readonly Medians[],
  ratios: readonly Ratio[],
  memory: MemoryMeasurement | undefined,
  reaping: ReapingCost | undefined,
): Goal[] {
  const goals: Goal[] = [];
  for (const { scenarios, figure, against, limit, limitIncluded } of RATIO_GOALS) {
    for (const ratio of ratios) {
      const isMeant = ratio.contender === "cm" && ratio.against === against && ratio.figure === figure;
      if (!isMeant || !scenarios.includes(ratio.scenario)) continue;
      const involved = medians.filter(
        ({ scenario, contender }) => scenario === ratio.scenario && (contender === "cm" || contender === against),
      );
      const cautions = involved.flatMap(cautionsOf);
      goals.push(judge(`${figure} / ${against}`, ratio.scenario, ratio.median, limit, limitIncluded, cautions));
    }
  }
  for (const own of medians.filter(({ contender }) => contender === "cm")) {
    const { scenario } = own;
    if (HOT.includes(scenario)) {
      goals.push(judge("latency p50, ms", scenario, own.p50Ms, HOT_P50_MS, true, cautionsOf(own)));
    }
    if (scenario === "huge-room") {
      const figure = "p99 of an uninvolved ping, ms";
      goals.push(judge(figure, scenario, own.pingP99Ms, UNINVOLVED_PING_P99_MS, false, cautionsOf(own)));
    }
  }
  if (memory !== undefined) {
    goals.push(
      judge("Redis bytes a connection", "redis-memory", memory.bytesPerConnection, MEMORY_LIMIT_BYTES, false, []),
    );
  }
  if (reaping !== undefined) {
    const figure = "longest command, ms";
    goals.push(judge(figure, "reaping", reaping.longestCommandMs, LONGEST_COMMAND_MS, false, []));
  }
  return goals;
}

function cautionsOf({ contender, saturatedRuns, disturbedRuns }: Medians): string[] {
  const cautions: string[] = [];
  if (saturatedRuns > 0) cautions.push(`${contender} at the machine's limit`);
  if (disturbedRuns > 0) cautions.push(`${contender} disturbed by other work`);
  return cautions;
}

function judge(
  figure: string,
  scenario: string,
  value: number,
  limit: number,
  limitIncluded: boolean,
  cautions: readonly string[],
): Goal {
  return {
    figure,
    scenario,
    value,
    limit,
    limitIncluded,
    met: limitIncluded ? value <= limit : value < limit,
    caution: cautions.length === 0 ? undefined : cautions.join(", "),
  };
}
