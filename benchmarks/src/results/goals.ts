import type { ContenderName } from "../contenders.js";
import type { FigureRun } from "../figures/figure-run.js";
import { CONNECTION_BYTES, OWN_ROOM_BYTES, SHARED_ROOM_BYTES } from "../idle/idle.js";
import type { MemoryMeasurement } from "../memory/redis-memory.js";
import type { StormResult } from "../operations/presence-storms.js";
import type { ReapingCost } from "../operations/reaping-cost.js";
import type { StatisticsCost } from "../operations/statistics-cost.js";
import type { ScaleOutResult } from "../scale-out/scale-out.js";
import { SERVER_CPU_A_JOIN } from "../sockets/socket-joins.js";
import { takeFigureMedians, takeFigureRatios } from "./figure-ratios.js";
import type { Medians, Ratio, RatioFigure } from "./load-ratios.js";
import { median } from "./median.js";
import { reasonFor } from "./reasons/reasons.js";

/** A figure and its goal. */
export interface Goal {
  readonly figure: string;
  readonly scenario: string;
  readonly value: number;
  readonly limit: number;
  /** Whether a value equal to the limit meets the goal. */
  readonly limitIncluded: boolean;
  /** Whether the limit is a minimum instead of a maximum. */
  readonly isMinimum: boolean;
  readonly met: boolean;
  /** The reason why the figure is less reliable, if any. */
  readonly caution: string | undefined;
  /** The reason why the goal is not met, from a measurement; only if it is not met and the reason is known. */
  readonly why: string | undefined;
}

interface RatioGoal {
  readonly scenarios: readonly string[];
  readonly figure: RatioFigure;
  readonly against: ContenderName;
  readonly limit: number;
  readonly limitIncluded: boolean;
  /** Whether the limit is a minimum. */
  readonly isMinimum?: boolean;
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
  // The huge room is left out, because its ten messages a second are too few to compare.
  { scenarios: [...CALM, ...HOT], figure: "Redis CPU a message", against: "minimum", limit: 1, limitIncluded: true },
  // Several messages of a room that are published in one turn of the event loop share a message on the bus.
  {
    scenarios: ["saturation", "same-turn"],
    figure: "Redis CPU a message",
    against: "minimum",
    limit: 0.5,
    limitIncluded: false,
  },
  ...saturated("minimum", 1),
  ...saturated("socket.io", 2.5),
];

function saturated(against: ContenderName, limit: number): RatioGoal[] {
  const goal = {
    figure: "deliveries a second of a server core",
    against,
    limit,
    limitIncluded: true,
    isMinimum: true,
  } as const;
  return [{ scenarios: ["saturation"], ...goal }];
}

/** A goal for a figure of the gateway, or for the ratio of this figure to that of another subject. */
interface FigureGoal {
  readonly scenario: string;
  readonly title: string;
  readonly against?: string;
  readonly limit: number;
}

const FIGURE_GOALS: readonly FigureGoal[] = [
  { scenario: "socket-joins", title: SERVER_CPU_A_JOIN, limit: 50 },
  { scenario: "idle", title: CONNECTION_BYTES, against: "floor", limit: 1.5 },
  { scenario: "idle", title: OWN_ROOM_BYTES, limit: 600 },
  { scenario: "idle", title: SHARED_ROOM_BYTES, limit: 250 },
];

/** Maximum median latency in hot rooms, in milliseconds: a window of 10 ms plus the time for delivery. */
const HOT_P50_MS = 12;

/** Maximum ping latency (99th percentile) of a connection that is not in the huge room, in milliseconds. */
const UNINVOLVED_PING_P99_MS = 10;

const MEMORY_LIMIT_BYTES = 250;

/**
 * Maximum time for cleaning up after 100,000 connections, and for a single Redis command during the cleanup, in
 * milliseconds.
 */
const REAPING_MS = 4_000;
const LONGEST_COMMAND_MS = 5;

/** Maximum ratio of a figure with many servers to the same figure with few, if it is not to grow. */
const FLAT = 1.1;

/** Maximum number of commands for all statistics of a cluster. */
const STATISTICS_COMMANDS = 300;

/** Maximum duration and processor time of an operation, as multiples of those of the handwritten registry. */
const STORM_RATIOS: Readonly<Record<StormResult["storm"], number>> = { "join-storm": 1.8, "presence-churn": 1.3 };

/** The results that goals are judged by. */
export interface Judged {
  readonly medians: readonly Medians[];
  readonly ratios: readonly Ratio[];
  readonly memory: MemoryMeasurement | undefined;
  readonly reaping: ReapingCost | undefined;
  readonly storms: readonly StormResult[];
  readonly statistics: readonly StatisticsCost[];
  readonly scaleOut: readonly ScaleOutResult[];
  readonly figureRuns: readonly FigureRun[];
}

/** Judges every goal for which there is a measurement. */
export function judgeGoals(judged: Judged): Goal[] {
  return takeGoals(judged).map((goal) => (goal.met ? goal : { ...goal, why: reasonFor(goal, judged) }));
}

function takeGoals({ medians, ratios, memory, reaping, storms, statistics, scaleOut, figureRuns }: Judged): Goal[] {
  const goals: Goal[] = [];
  for (const { scenarios, figure, against, limit, limitIncluded, isMinimum = false } of RATIO_GOALS) {
    for (const ratio of ratios) {
      const isMeant = ratio.contender === "cm" && ratio.against === against && ratio.figure === figure;
      if (!isMeant || !scenarios.includes(ratio.scenario)) continue;
      const involved = medians.filter(
        ({ scenario, contender }) => scenario === ratio.scenario && (contender === "cm" || contender === against),
      );
      const cautions = ratio.doubtfulTurns < ratio.turns ? [] : involved.flatMap(cautionsOf);
      const name = `${figure} / ${against}`;
      goals.push(judge(name, ratio.scenario, ratio.median, limit, limitIncluded, cautions, isMinimum));
    }
  }
  for (const own of medians.filter(({ contender }) => contender === "cm")) {
    const { scenario } = own;
    if (HOT.includes(scenario)) {
      goals.push(judge("latency p50, ms", scenario, own.p50Ms, HOT_P50_MS, true, soundnessOf(own)));
    }
    if (scenario === "huge-room") {
      const figure = "p99 of an uninvolved ping, ms";
      goals.push(judge(figure, scenario, own.pingP99Ms, UNINVOLVED_PING_P99_MS, false, soundnessOf(own)));
    }
  }
  if (memory !== undefined) {
    goals.push(
      judge("Redis bytes a connection", "redis-memory", memory.bytesPerConnection, MEMORY_LIMIT_BYTES, false, []),
    );
  }
  if (reaping !== undefined) {
    goals.push(judge("all of it, ms", "reaping", reaping.totalMs, REAPING_MS, false, []));
    goals.push(judge("longest command, ms", "reaping", reaping.longestCommandMs, LONGEST_COMMAND_MS, false, []));
  }
  const commands = Math.max(...statistics.map((cost) => cost.commands));
  if (statistics.length > 0) goals.push(judge("commands", "statistics", commands, STATISTICS_COMMANDS, false, []));
  return [...goals, ...judgeStorms(storms), ...judgeFigures(figureRuns), ...judgeServers(medians, scaleOut)];
}

function judgeStorms(storms: readonly StormResult[]): Goal[] {
  const figures: readonly (readonly [string, (result: StormResult) => number])[] = [
    ["all of it", ({ run }) => run.wallMs],
    ["client CPU an operation", ({ run }) => run.clientCpuUsPerOperation],
    ["Redis CPU an operation", ({ run }) => run.redisCpuUsPerOperation],
  ];
  const names = [...new Set(storms.map(({ storm }) => storm))];
  return names.flatMap((name) => {
    const of = (contender: StormResult["contender"], read: (result: StormResult) => number) =>
      median(storms.filter((each) => each.storm === name && each.contender === contender).map(read));
    return figures.map(([figure, read]) =>
      judge(`${figure} / by hand`, name, of("cm", read) / of("by-hand", read), STORM_RATIOS[name], true, []),
    );
  });
}

/**
 * Judges the work of one gateway as the number of gateways grows. If the load of all together stays the same, one
 * gateway's share of the messages is to be at most members / gateways. If the load of each stays the same, the
 * cost of a delivery is not to grow.
 */
function judgeServers(medians: readonly Medians[], scaleOut: readonly ScaleOutResult[]): Goal[] {
  const shares = scaleOut.map(({ gateways, members, receivedMost, published }) => {
    const figure = `share of the messages that one of ${gateways} gateways receives`;
    return judge(figure, "scale-out", receivedMost / published, Math.min(1, members / gateways), true, []);
  });
  const [few, many] = ["servers-grown-4", "servers-grown-8"].map((name) =>
    medians.find(({ scenario, contender }) => scenario === name && contender === "cm"),
  );
  if (few === undefined || many === undefined) return shares;
  // Compare 4 and 8 servers: a room has 4 members, so with both numbers each member is on another server.
  const ratio = many.serverCpuUsPerDelivery / few.serverCpuUsPerDelivery;
  const cautions = [...soundnessOf(few), ...soundnessOf(many)];
  return [...shares, judge("server CPU a delivery, 8 / 4 servers", "servers-grown", ratio, FLAT, true, cautions)];
}

function judgeFigures(figureRuns: readonly FigureRun[]): Goal[] {
  return FIGURE_GOALS.flatMap(({ scenario, title, against, limit }) => {
    const runs = figureRuns.filter((run) => run.scenario === scenario);
    if (against === undefined) {
      const own = takeFigureMedians(runs).find((each) => each.subject === "cm" && each.title === title);
      if (own === undefined) return [];
      const cautions = own.soundRuns > 0 ? [] : ["cm disturbed by other work"];
      return [judge(title, scenario, own.median, limit, true, cautions)];
    }
    const ratio = takeFigureRatios(runs).find(
      (each) => each.subject === "cm" && each.against === against && each.title === title,
    );
    if (ratio === undefined) return [];
    const cautions = ratio.doubtfulTurns < ratio.turns ? [] : ["disturbed by other work"];
    return [judge(`${title} / ${against}`, scenario, ratio.median, limit, true, cautions)];
  });
}

/** Returns the cautions for a contender's medians: none if the contender has sound runs. */
function soundnessOf(own: Medians): string[] {
  return own.soundRuns > 0 ? [] : cautionsOf(own);
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
  isMinimum = false,
): Goal {
  const met = (isMinimum ? value > limit : value < limit) || (limitIncluded && value === limit);
  return {
    figure,
    scenario,
    value,
    limit,
    limitIncluded,
    isMinimum,
    met,
    caution: cautions.length === 0 ? undefined : cautions.join(", "),
    why: undefined,
  };
}
