import type { ContenderName } from "../contenders.js";
import type { FigureRun } from "../figures/figure-run.js";
import type { MemoryMeasurement } from "../memory/redis-memory.js";
import { SERVER_CPU_A_JOIN } from "../sockets/socket-joins.js";
import { takeFigureMedians } from "./figure-ratios.js";
import type { Medians } from "./load-ratios.js";
import { round } from "./tables.js";

/** The measurements that reasons are taken from. */
export interface Evidence {
  readonly medians: readonly Medians[];
  readonly figureRuns: readonly FigureRun[];
  readonly memory: MemoryMeasurement | undefined;
}

/** The goal that is missed: the scenario, and the figure as the page shows it. */
export interface Missed {
  readonly scenario: string;
  readonly figure: string;
}

/** Returns a reason, or `undefined` if it is about another goal or its measurement is missing. */
type Reason = (missed: Missed, evidence: Evidence) => string | undefined;

const REASONS: readonly Reason[] = [windowItself, timeInUserMode, pingOfTheMinimum, joinOfTheMinimum, bytesByKind];

/**
 * Returns the reasons why a goal is missed, as far as measurements show them, or `undefined` if they show none. To
 * show a reason from a further measurement, add a function to {@link REASONS}.
 */
export function reasonFor(missed: Missed, evidence: Evidence): string | undefined {
  const reasons = REASONS.flatMap((reason) => reason(missed, evidence) ?? []);
  return reasons.length === 0 ? undefined : reasons.join("; ");
}

/**
 * Compares the handwritten minimum with the same server with a window, which shows how much a window can save at
 * most.
 */
function windowItself({ scenario, figure }: Missed, evidence: Evidence): string | undefined {
  if (figure !== "server CPU a delivery / minimum") return undefined;
  const minimum = of(evidence, scenario, "minimum");
  const windowed = of(evidence, scenario, "minimum-window");
  if (minimum === undefined || windowed === undefined) return undefined;
  const ratio = windowed.serverCpuUsPerDelivery / minimum.serverCpuUsPerDelivery;
  return `the minimum with a window of 10 ms for every message needs ${round(ratio)} of the minimum itself`;
}

/**
 * Splits the processor time into user mode and kernel. The kernel's part is mostly that of writes. If it is about
 * equal for both contenders, the rest of the difference is this project's code.
 */
function timeInUserMode({ scenario, figure }: Missed, evidence: Evidence): string | undefined {
  const against = /^(?:server CPU a delivery|deliveries a second of a server core) \/ (.+)$/.exec(figure)?.[1];
  const own = of(evidence, scenario, "cm");
  const other = evidence.medians.find((each) => each.scenario === scenario && each.contender === against);
  if (own === undefined || other === undefined) return undefined;
  const kernel = (each: Medians) => each.serverCpuUsPerDelivery - each.serverUserUsPerDelivery;
  return (
    `in user mode ${round(own.serverUserUsPerDelivery)} us a delivery instead of ${round(other.serverUserUsPerDelivery)}, ` +
    `in the kernel ${round(kernel(own))} instead of ${round(kernel(other))}`
  );
}

function pingOfTheMinimum({ scenario, figure }: Missed, evidence: Evidence): string | undefined {
  if (figure !== "p99 of an uninvolved ping, ms") return undefined;
  const minimum = of(evidence, scenario, "minimum");
  if (minimum === undefined) return undefined;
  return `driver, Redis and servers share the cores: on the minimum, the same ping takes ${round(minimum.pingP99Ms)} ms`;
}

function joinOfTheMinimum({ scenario, figure }: Missed, { figureRuns }: Evidence): string | undefined {
  if (figure !== SERVER_CPU_A_JOIN) return undefined;
  const runs = figureRuns.filter((run) => run.scenario === scenario);
  const minimum = takeFigureMedians(runs).find((each) => each.subject === "minimum" && each.title === figure);
  if (minimum === undefined) return undefined;
  return `the minimum, which has no registry, needs ${round(minimum.median)} us for frame, subscription and answer`;
}

function bytesByKind({ figure }: Missed, { memory }: Evidence): string | undefined {
  // Results of older builds do not have the bytes of each kind.
  if (figure !== "Redis bytes a connection" || memory?.bytesByKind === undefined) return undefined;
  const largestFirst = Object.entries(memory.bytesByKind).sort(([, left], [, right]) => right - left);
  const told = largestFirst.filter(([, bytes]) => bytes >= 1).map(([kind, bytes]) => `${kind} ${bytes.toFixed(0)}`);
  return `of the keys' bytes for a connection: ${told.join(", ")}`;
}

function of({ medians }: Evidence, scenario: string, contender: ContenderName): Medians | undefined {
  return medians.find((each) => each.scenario === scenario && each.contender === contender);
}
