import type { ContenderName } from "../contender.js";
import type { MemoryMeasurement } from "../memory/redis-memory.js";
import type { ReapingCost } from "../operations/reaping-cost.js";
import type { Medians } from "./comparison.js";

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
  readonly figure: string;
  readonly against: ContenderName;
  readonly read: (medians: Medians) => number;
  readonly limit: number;
  readonly limitIncluded: boolean;
}

const RATIO_GOALS: readonly RatioGoal[] = [
  {
    figure: "server CPU per delivery / minimum",
    against: "minimum",
    read: (medians) => medians.serverCpuUsPerDelivery,
    limit: 1.1,
    limitIncluded: true,
  },
  {
    figure: "server CPU per delivery / minimum delivering as many bytes",
    against: "same-bytes",
    read: (medians) => medians.serverCpuUsPerDelivery,
    limit: 1.1,
    limitIncluded: true,
  },
  {
    figure: "server CPU per delivery / socket.io",
    against: "socket.io",
    read: (medians) => medians.serverCpuUsPerDelivery,
    limit: 0.6,
    limitIncluded: false,
  },
  {
    figure: "latency p99 / minimum",
    against: "minimum",
    read: (medians) => medians.p99Ms,
    limit: 1.2,
    limitIncluded: true,
  },
];

const MEMORY_LIMIT_BYTES = 350;

/** What cleaning up may hold Redis for at a time. */
const LONGEST_COMMAND_MS = 10;

/** Every goal that what was measured can judge. */
export function judgeGoals(
  medians: readonly Medians[],
  memory: MemoryMeasurement | undefined,
  reaping: ReapingCost | undefined,
): Goal[] {
  const goals: Goal[] = [];
  for (const own of medians.filter((entry) => entry.contender === "cm")) {
    for (const goal of RATIO_GOALS) {
      const other = medians.find((entry) => entry.contender === goal.against && entry.scenario === own.scenario);
      if (other === undefined) continue;
      const cautions = [own, other].flatMap(cautionsOf);
      goals.push(
        judge(goal.figure, own.scenario, goal.read(own) / goal.read(other), goal.limit, goal.limitIncluded, cautions),
      );
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
