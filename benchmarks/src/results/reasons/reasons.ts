import type { ContenderName } from "../../contenders.js";
import { SERVER_CPU_A_JOIN } from "../../sockets/socket-joins.js";
import { takeFigureMedians } from "../figure-ratios.js";
import type { Medians } from "../load-ratios.js";
import { round } from "../tables.js";
import { MEMORY_REASONS } from "./memory-reasons.js";
import type { Evidence, Missed, Reason } from "./reason.js";
import { restOfRedis } from "./redis-rest.js";
import { STORM_REASONS } from "./storm-reasons.js";

const REASONS: readonly Reason[] = [
  windowItself,
  timeInUserMode,
  spreadOfTurns,
  waitOfOthers,
  pausesOfTheServers,
  redisOfSameBytes,
  commandsOfTheBus,
  pingOfTheMinimum,
  joinOfTheMinimum,
  bytesByKind,
  longestCommandOfReaping,
  scriptsOfReaping,
  ...STORM_REASONS,
  ...MEMORY_REASONS,
];

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

/** Splits the processor time into user mode and kernel. */
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

/** Says that some turns met the goal, if so. */
function spreadOfTurns({ scenario, figure, limit }: Missed, { ratios }: Evidence): string | undefined {
  const [name, against] = figure.split(" / ");
  const ratio = ratios.find(
    (each) => each.scenario === scenario && each.contender === "cm" && each.figure === name && each.against === against,
  );
  if (name !== "latency p99" || ratio === undefined || ratio.low > limit || ratio.high < limit) return undefined;
  return `the limit is within the range of the turns, ${round(ratio.low)} to ${round(ratio.high)}`;
}

/** Compares how long a ping waits that has nothing to do with the messages: for its core, and for the event loop. */
function waitOfOthers({ scenario, figure }: Missed, evidence: Evidence): string | undefined {
  if (figure !== "latency p99 / minimum") return undefined;
  const [own, minimum] = [of(evidence, scenario, "cm"), of(evidence, scenario, "minimum")];
  if (own === undefined || minimum === undefined) return undefined;
  return `the p99 of an uninvolved ping is ${round(own.pingP99Ms)} ms instead of ${round(minimum.pingP99Ms)}`;
}

function pausesOfTheServers({ scenario, figure }: Missed, evidence: Evidence): string | undefined {
  if (figure !== "latency p99 / minimum") return undefined;
  const [own, minimum] = [of(evidence, scenario, "cm"), of(evidence, scenario, "minimum")];
  if (own === undefined || minimum === undefined || !areKnown(own.longestGcMs, minimum.longestGcMs)) return undefined;
  return `the longest pause of a garbage collection is ${round(own.longestGcMs)} ms instead of ${round(minimum.longestGcMs)}`;
}

/** Compares the minimum with and without payloads of the gateway's size: what size alone explains. */
function redisOfSameBytes({ scenario, figure }: Missed, evidence: Evidence): string | undefined {
  if (figure !== "Redis CPU a message / minimum") return undefined;
  const [minimum, sameBytes] = [of(evidence, scenario, "minimum"), of(evidence, scenario, "same-bytes")];
  if (minimum === undefined || sameBytes === undefined || minimum.redisCpuUsPerMessage === 0) return undefined;
  const ratio = sameBytes.redisCpuUsPerMessage / minimum.redisCpuUsPerMessage;
  return `the minimum with messages of the same size needs ${round(ratio)} of the minimum itself`;
}

/** Compares the commands that carry the messages. */
function commandsOfTheBus({ scenario, figure }: Missed, evidence: Evidence): string | undefined {
  if (figure !== "Redis CPU a message / minimum") return undefined;
  const [own, minimum] = [of(evidence, scenario, "cm"), of(evidence, scenario, "minimum")];
  if (own === undefined || minimum === undefined) return undefined;
  if (!areKnown(own.publishCommandsPerMessage, minimum.publishCommandsPerMessage)) return undefined;
  const rests = [own, minimum].map((each) => each.redisCpuUsPerMessage - each.publishUsPerMessage);
  return (
    `${round(own.publishCommandsPerMessage)} publish commands a message instead of ${round(minimum.publishCommandsPerMessage)}, ` +
    `which take ${round(own.publishUsPerMessage)} us instead of ${round(minimum.publishUsPerMessage)}${restOfRedis(rests)}`
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

function longestCommandOfReaping({ scenario, figure }: Missed, { reaping }: Evidence): string | undefined {
  // Results of older builds do not have the command.
  if (scenario !== "reaping" || figure !== "longest command, ms" || reaping?.longestCommand === undefined)
    return undefined;
  return `it is ${reaping.longestCommand}`;
}

/** The scripts of a cleanup run one after the other, so their time bounds that of the cleanup from below. */
function scriptsOfReaping({ scenario, figure }: Missed, { reaping }: Evidence): string | undefined {
  // Results of older builds do not have the time.
  if (scenario !== "reaping" || figure !== "all of it, ms" || reaping?.scriptsMs === undefined) return undefined;
  return `Redis runs scripts for ${round(reaping.scriptsMs)} of the ${round(reaping.totalMs)} ms`;
}

/** Whether both figures were measured; they are `NaN`, or `null` in a stored result, if an older build did not. */
function areKnown(...figures: readonly (number | null)[]): boolean {
  return figures.every((figure) => Number.isFinite(figure));
}

function of({ medians }: Evidence, scenario: string, contender: ContenderName): Medians | undefined {
  return medians.find((each) => each.scenario === scenario && each.contender === contender);
}
