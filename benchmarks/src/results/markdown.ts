import type { StormResult } from "../operations/presence-storms.js";
import type { ScaleOutResult } from "../scale-out/scale-out.js";
import type { BenchResult } from "./bench-result.js";
import { type Medians, median } from "./comparison.js";
import type { Goal } from "./goals.js";

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
    table(["scenario", "figure", "value", "goal", ""], result.goals.map(goalRow)),
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
  parts.push(...operationParts(result));
  if (result.measurements.length > 0) parts.push("## Every run", everyRun(result));
  return `${parts.join("\n\n")}\n`;
}

/**
 * Formats the results of the scenarios that are not loads: memory, storms, statistics, reaping and scaling out.
 */
export function operationParts(result: BenchResult): string[] {
  return [
    ...memoryParts(result),
    ...stormParts(result),
    ...statisticsParts(result),
    ...reapingParts(result),
    ...scaleOutParts(result),
  ];
}

function memoryParts({ memory }: BenchResult): string[] {
  if (memory === undefined) return [];
  const { connections, servers, roomMembers, keys, bytesPerConnection } = memory;
  return [
    "## redis-memory",
    `${connections} connections of ${servers} servers, each its own user, in rooms of ${roomMembers}: ` +
      `${round(bytesPerConnection)} bytes a connection, ${keys} keys.`,
  ];
}

function stormParts({ storms }: BenchResult): string[] {
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

function statisticsParts({ statistics }: BenchResult): string[] {
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

function reapingParts({ reaping }: BenchResult): string[] {
  if (reaping === undefined) return [];
  const { connections, rooms, totalMs, longestCommandMs, pingLongestMs, pingP99Ms } = reaping;
  return [
    "## reaping",
    `${connections} connections of a dead server in ${rooms} rooms cleaned up by one survivor in ${round(totalMs / 1_000)} s; ` +
      `the longest command held Redis for ${round(longestCommandMs)} ms. Somebody else's commands meanwhile: ` +
      `p99 ${round(pingP99Ms)} ms, longest ${round(pingLongestMs)} ms.`,
  ];
}

function scaleOutParts({ scaleOut }: BenchResult): string[] {
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

/** Returns the table row of a goal. */
export function goalRow(goal: Goal): string[] {
  return [goal.scenario, goal.figure, round(goal.value), limitOf(goal), verdictOf(goal)];
}

function limitOf(goal: Goal): string {
  return `${goal.limitIncluded ? "at most" : "under"} ${goal.limit}`;
}

function verdictOf(goal: Goal): string {
  if (goal.caution !== undefined) return `no verdict: ${goal.caution}`;
  return goal.met ? "met" : "**not met**";
}

function runsOf({ validRuns, invalidRuns, saturatedRuns, disturbedRuns }: Medians): string {
  const words = [`${validRuns} valid`];
  if (invalidRuns > 0) words.push(`${invalidRuns} invalid`);
  if (saturatedRuns > 0) words.push(`${saturatedRuns} at the limit`);
  if (disturbedRuns > 0) words.push(`${disturbedRuns} disturbed`);
  return words.join(", ");
}

export function round(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(2);
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
