import type { StormResult } from "../operations/presence-storms.js";
import type { ScaleOutResult } from "../scale-out/scale-out.js";
import type { BenchResult } from "./bench-result.js";
import { figureTables, figureText } from "./figure-tables.js";
import type { Goal } from "./goals.js";
import type { Medians } from "./load-ratios.js";
import { median } from "./median.js";
import { measured, round, table } from "./tables.js";

/** Formats the result as a Markdown page. */
export function toMarkdown(result: BenchResult): string {
  const { machine } = result;
  const parts = [
    `# Benchmark of ${result.commit}, ${result.startedAt}`,
    [
      `${machine.cpuModel}, ${machine.cores} cores, ${machine.memoryGiB} GiB, kernel ${machine.kernel}, ` +
        `Node ${machine.node}, Redis ${machine.redis}; load average before the run ${machine.loadBefore.toFixed(2)}.`,
      `Medians of ${result.repeats} interleaved runs of ${result.seconds} s behind ${result.warmupSeconds} s of warm-up.`,
    ].join("\n"),
    "## Goals",
    goalTable(result.goals),
  ];
  for (const scenario of result.scenarios) {
    const medians = result.medians.filter((entry) => entry.scenario === scenario.name);
    const dueDeliveries = scenario.rate * scenario.members;
    parts.push(
      `## ${scenario.name}`,
      `${scenario.rooms} rooms of ${scenario.members}, ${scenario.rate} messages a second of ${scenario.bytes} bytes: ` +
        `${dueDeliveries} deliveries a second due.`,
      table(
        [
          "",
          "server CPU µs a delivery",
          "of it in user mode",
          "Redis CPU µs a message",
          "deliveries/s",
          "p50 ms",
          "p99 ms",
          "ping p99 ms",
          "runs",
        ],
        medians.map((entry) => [
          entry.contender,
          round(entry.serverCpuUsPerDelivery),
          round(entry.serverUserUsPerDelivery),
          round(entry.redisCpuUsPerMessage),
          entry.deliveriesPerSecond.toFixed(0),
          round(entry.p50Ms),
          round(entry.p99Ms),
          round(entry.pingP99Ms),
          runsOf(entry),
        ]),
      ),
    );
  }
  for (const name of new Set(result.figureRuns.map(({ scenario }) => scenario))) {
    const runs = result.figureRuns.filter(({ scenario }) => scenario === name);
    parts.push(`## ${name}`, figureText(name, result.scale), ...figureTables(runs));
  }
  parts.push(
    ...memoryParts(result.memory),
    ...stormParts(result.storms),
    ...statisticsParts(result.statistics),
    ...reapingParts(result.reaping),
    ...scaleOutParts(result.scaleOut),
  );
  if (result.measurements.length > 0) parts.push("## Every run", everyRun(result));
  return `${parts.join("\n\n")}\n`;
}

/** Formats the section `redis-memory` as Markdown blocks; returns none without a measurement. */
export function memoryParts(memory: BenchResult["memory"]): string[] {
  if (memory === undefined) return [];
  const { connections, servers, roomMembers, keys, bytesPerConnection } = memory;
  return [
    "## redis-memory",
    `${connections} connections of ${servers} servers, each its own user, in rooms of ${roomMembers}: ` +
      `${round(bytesPerConnection)} bytes a connection, ${keys} keys.`,
  ];
}

/** Formats the section `storms` as Markdown blocks; returns none without a measurement. */
export function stormParts(storms: BenchResult["storms"]): string[] {
  if (storms.length === 0) return [];
  const names = [...new Set(storms.map(({ storm }) => storm))];
  const rows = names.flatMap((name) => {
    const of = (contender: StormResult["contender"], read: (result: StormResult) => number) =>
      median(storms.filter((each) => each.storm === name && each.contender === contender).map(read));
    const figures: readonly (readonly [string, (result: StormResult) => number])[] = [
      ["commands an operation", ({ commandsPerOperation }) => commandsPerOperation],
      ["all of it, ms", ({ run }) => run.wallMs],
      ["p99 of an operation, ms", ({ run }) => run.p99Ms],
      ["client CPU µs an operation", ({ run }) => run.clientCpuUsPerOperation],
      ["Redis CPU µs an operation", ({ run }) => run.redisCpuUsPerOperation],
    ];
    return figures.map(([figure, read]) => {
      const [own, other] = [of("cm", read), of("by-hand", read)];
      return [name, figure, round(own), round(other), round(own / other)];
    });
  });
  const operations = storms[0]?.run.operations ?? 0;
  return [
    "## storms",
    `${operations} operations each, medians; by hand: bare pipelines without lease, fence, versions or cleaning up.`,
    table(["storm", "figure", "cm", "by hand", "ratio"], rows),
  ];
}

/** Formats the section `statistics` as Markdown blocks; returns none without a measurement. */
export function statisticsParts(statistics: BenchResult["statistics"]): string[] {
  if (statistics.length === 0) return [];
  return [
    "## statistics",
    table(
      ["connections", "servers", "commands", "median ms", "longest ms"],
      statistics.map(({ connections, servers, commands, medianMs, longestMs }) => [
        String(connections),
        String(servers),
        String(commands),
        round(medianMs),
        round(longestMs),
      ]),
    ),
  ];
}

/** Formats the section `reaping` as Markdown blocks; returns none without a measurement. */
export function reapingParts(reaping: BenchResult["reaping"]): string[] {
  if (reaping === undefined) return [];
  const { connections, rooms, totalMs, longestCommandMs, pingLongestMs, pingP99Ms } = reaping;
  return [
    "## reaping",
    `${connections} connections of a dead server in ${rooms} rooms cleaned up by one survivor in ${round(totalMs / 1_000)} s; ` +
      `the longest command held Redis for ${round(longestCommandMs)} ms. Somebody else's commands meanwhile: ` +
      `p99 ${round(pingP99Ms)} ms, longest ${round(pingLongestMs)} ms.`,
  ];
}

/** Formats the section `scale-out` as Markdown blocks; returns none without a measurement. */
export function scaleOutParts(scaleOut: BenchResult["scaleOut"]): string[] {
  const [first] = scaleOut;
  if (first === undefined) return [];
  const each = ({ delivered, gateways }: ScaleOutResult) => delivered / gateways;
  return [
    "## scale-out",
    `${first.rooms} rooms of ${first.members}, members as far apart as they can be. Counts of messages, no times; ` +
      "where every gateway is told everything, each receives all that was published, however many there are.",
    table(
      [
        "gateways",
        "published",
        "received by one, at most",
        "of what was published",
        "delivered by one, on average",
        "",
      ],
      scaleOut.map((run) => [
        String(run.gateways),
        String(run.published),
        String(run.receivedMost),
        round(run.receivedMost / run.published),
        each(run).toFixed(0),
        run.valid ? "" : "invalid",
      ]),
    ),
  ];
}

function everyRun(result: BenchResult): string {
  return table(
    [
      "scenario",
      "",
      "run",
      "server CPU µs",
      "Redis CPU µs",
      "p50 ms",
      "p99 ms",
      "ping p99 ms",
      "driver busy",
      "other cores",
      "lost",
      "doubled",
      "disordered",
      "",
    ],
    result.measurements.map((run) => [
      run.scenario,
      run.contender,
      String(run.repeat),
      round(run.serverCpuUsPerDelivery),
      round(run.redisCpuUsPerMessage),
      round(run.p50Ms),
      round(run.p99Ms),
      round(run.ping.p99Ms),
      `${(run.driverBusy * 100).toFixed(0)} %`,
      round(run.otherCores),
      String(run.losses),
      String(run.duplicates),
      String(run.orderViolations),
      [
        run.valid ? "" : "invalid",
        run.saturated ? "saturated" : "",
        run.driverFull ? "driver full" : "",
        run.disturbed ? "disturbed" : "",
      ]
        .filter((word) => word !== "")
        .join(", "),
    ]),
  );
}

/** Formats the goals as a Markdown table of figures, goals and verdicts. */
export function goalTable(goals: readonly Goal[]): string {
  return table(
    ["scenario", "figure", "today", "goal", "", "why"],
    goals.map((goal) => [
      goal.scenario,
      goal.figure,
      measured(goal.value),
      limitOf(goal),
      verdictOf(goal),
      goal.caution === undefined && !goal.met ? (goal.why ?? "") : "",
    ]),
  );
}

function limitOf({ limit, limitIncluded, isMinimum }: Goal): string {
  if (isMinimum) return `${limitIncluded ? "at least" : "over"} ${limit}`;
  return `${limitIncluded ? "at most" : "under"} ${limit}`;
}

function verdictOf({ caution, met, value, limit }: Goal): string {
  if (caution !== undefined) return `no verdict: ${caution}`;
  if (met) return "met";
  const percent = Math.round(Math.abs(value / limit - 1) * 100);
  return `**not met**, by ${percent === 0 ? "less than 1" : percent} %`;
}

function runsOf({ validRuns, invalidRuns, saturatedRuns, disturbedRuns }: Medians): string {
  const words = [`${validRuns} valid`];
  if (invalidRuns > 0) words.push(`${invalidRuns} invalid`);
  if (saturatedRuns > 0) words.push(`${saturatedRuns} at the limit`);
  if (disturbedRuns > 0) words.push(`${disturbedRuns} disturbed`);
  return words.join(", ");
}
