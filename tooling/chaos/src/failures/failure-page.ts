import { MEASURED_WITH, type MeasuredFault, type Times } from "./failure-faults.js";
import type { Losses } from "./failure-scene.js";

/** One fault and its measured rounds. */
export interface FaultFigures {
  readonly fault: MeasuredFault;
  readonly rounds: readonly (Times & Losses)[];
}

/** Commit, date and machine of the measurement. */
export interface MeasuredAt {
  readonly commit: string;
  readonly date: string;
  readonly machine: string;
}

/** The cost of cleaning up after one server that died with all its connections. */
export interface ReapingFigures {
  readonly connections: number;
  readonly rooms: number;
  readonly totalMs: number;
  readonly longestCommandMs: number;
  readonly pingP99Ms: number;
}

/** Generates the page about the cost of faults, entirely from measurements. */
export function failurePage(
  figures: readonly FaultFigures[],
  { commit, date, machine }: MeasuredAt,
  reaping: ReapingFigures | undefined,
): string {
  const rows = figures.map(({ fault, rounds }) => {
    const detections = rounds.flatMap(({ detectionMs }) => (detectionMs === undefined ? [] : [detectionMs]));
    const recoveries = rounds.map(({ recoveryMs }) => recoveryMs);
    return [
      fault.name,
      detections.length === 0 ? "-" : `${seconds(median(detections))} / ${seconds(Math.max(...detections))}`,
      `${seconds(median(recoveries))} / ${seconds(Math.max(...recoveries))}`,
      `${median(rounds.map(({ lost }) => lost))} / ${Math.max(...rounds.map(({ lost }) => lost))}`,
      `${median(rounds.map(({ lostThoughKept }) => lostThoughKept))} / ${Math.max(...rounds.map(({ lostThoughKept }) => lostThoughKept))}`,
      rounds.every(({ lost, lostThoughKept }) => lost + lostThoughKept === 0)
        ? "-"
        : rounds.every(({ untold }) => untold === 0)
          ? "yes"
          : "**no**",
      `${median(rounds.map(({ refused }) => refused))} / ${Math.max(...rounds.map(({ refused }) => refused))}`,
      String(rounds.length),
    ];
  });
  return `${[
    "# What faults cost",
    "Written by `npm run failures`, not by hand.",
    `Commit ${commit}, ${date}, ${machine}. Four gateways as processes under a steady load of 200 messages a second, ` +
      `48 clients in 8 rooms, every other one recoverable, everything on one machine, with ${MEASURED_WITH} in the place of 30 s and 90 s. ` +
      "Times in seconds, median / worst.",
    table(
      [
        "fault",
        "until it shows",
        "until it is over",
        "deliveries lost",
        "of recoverable rooms",
        "members told",
        "refused",
        "rounds",
      ],
      rows,
    ),
    "- **Deliveries lost**: messages of ordinary rooms that were acknowledged to their publisher and did not reach a member who was " +
      "connected throughout, each such member counted, median / worst of a round. Clients whose own gateway died are " +
      "not among them: their connection closed, and they knew.\n" +
      "- **Of recoverable rooms**: the same in rooms that keep their messages for a while; a member that came back " +
      "and was told that it gets all it had missed counts as connected throughout.\n" +
      "- **Members told**: whether each member that missed something got a `gap` frame.\n" +
      "- **Refused**: publishes that failed with an error, or whose connection closed before the answer, median / worst of a round.",
    ...(reaping === undefined ? [] : reapingParts(reaping)),
    "## What is looked at, and what it means with the defaults",
    table(
      ["fault", "until it shows; until it is over", "with heartbeats of 30 s and leases of 90 s"],
      figures.map(({ fault }) => [fault.name, fault.readFrom, fault.atDefaults]),
    ),
  ].join("\n\n")}\n`;
}

function reapingParts({ connections, rooms, totalMs, longestCommandMs, pingP99Ms }: ReapingFigures): string[] {
  return [
    "## A server dies with many connections",
    `${connections} connections of a dead server in ${rooms} rooms were removed by one survivor in ` +
      `${seconds(totalMs)} s, from its first heartbeat on. The longest single command in Redis's slow log held it for ` +
      `${longestCommandMs.toFixed(1)} ms; of the commands that somebody else sent meanwhile 99 % were answered within ` +
      `${pingP99Ms.toFixed(1)} ms.`,
  ];
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  return (lower + upper) / 2;
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(2);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
