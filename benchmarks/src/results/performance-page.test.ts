import { expect, it } from "vitest";
import { drawBarChart } from "../charts/bar-chart.js";
import type { ContenderName } from "../contenders.js";
import type { FigureRun } from "../figures/figure-run.js";
import { partnerOf } from "../protocols/room-dialects.js";
import type { Scenario } from "../scenario.js";
import type { Measurement } from "../scenario-measurement.js";
import type { BenchResult } from "./bench-result.js";
import { takeFigureMedians, takeFigureRatios } from "./figure-ratios.js";
import { judgeGoals } from "./goals.js";
import { chooseLatest, type NamedResult } from "./latest-results.js";
import { toPerformancePage } from "./performance-page.js";

const SCENARIO: Scenario = { name: "many-rooms", rooms: 5, members: 20, rate: 300, bytes: 200, contenders: ["cm"] };

function measurement(contender: ContenderName, cpuUs: number, changes: Partial<Measurement> = {}): Measurement {
  return {
    ...{ contender, scenario: "many-rooms", repeat: 1, valid: true, saturated: false, disturbed: false },
    ...{ otherCores: 0, driverFull: false, driverBusy: 0.5, redisCpuUsPerMessage: 20, deliveriesPerSecond: 6_000 },
    ...{ serverCpuUsPerDelivery: cpuUs, serverUserUsPerDelivery: cpuUs / 4, serverCores: 0.5, busiestServerCores: 0.3 },
    ...{ serverMiB: 200, publishedPerSecond: 300, p50Ms: 1, p99Ms: 5, losses: 0, duplicates: 0, orderViolations: 0 },
    ping: { pings: 100, p50Ms: 1, p99Ms: 2, maxMs: 3 },
    ...changes,
  };
}

function figureRun(subject: string, value: number, changes: Partial<FigureRun> = {}): FigureRun {
  const figures = { "server CPU us a join": value };
  const soundness = { valid: true, disturbed: false, otherCores: 0 };
  return { scenario: "socket-joins", subject, repeat: 1, ...soundness, figures, ...changes };
}

function result(day: string, parts: Partial<BenchResult>): NamedResult {
  const machine = { cpuModel: "a CPU", cores: 2, memoryGiB: 4, kernel: "6", node: "v20", redis: "7", loadBefore: 0.1 };
  const empty = { medians: [], memory: undefined, storms: [], statistics: [], reaping: undefined, scaleOut: [] };
  const turns = { seconds: 5, warmupSeconds: 3, repeats: 1, scale: 0.5 };
  const rest = { scenarios: [], ratios: [], figureRuns: [], goals: [], measurements: [], machine };
  return {
    name: `${day}.md`,
    result: { startedAt: `${day}T10:00:00.000Z`, commit: `c${day.slice(-2)}`, ...turns, ...empty, ...rest, ...parts },
  };
}

/** A result with one load. It has ratios, because results without them count as written by an older build. */
function loadResult(day: string, cm: number, minimum: number): NamedResult {
  const measurements = [measurement("cm", cm), measurement("minimum", minimum)];
  const ratio = {
    scenario: "many-rooms",
    figure: "server CPU a delivery",
    contender: "cm",
    against: "minimum",
  } as const;
  const ratios = [{ ...ratio, median: cm / minimum, low: 0, high: 0, turns: 1, doubtfulTurns: 0 }];
  return result(day, { scenarios: [SCENARIO], measurements, ratios });
}

it("takes each scenario from the newest result that measured it, and says from which", () => {
  const results = [
    loadResult("2026-01-02", 12, 10),
    result("2026-01-03", { figureRuns: [figureRun("cm", 80), figureRun("minimum", 20)] }),
    loadResult("2026-01-01", 30, 10),
  ];
  const { text, charts } = toPerformancePage(chooseLatest(results, ["socket-joins"]));
  expect(text).toContain(
    "From [2026-01-02.md](../benchmarks/results/2026-01-02.md), a run of 2026-01-02 on commit c02",
  );
  expect(text).toContain("| server CPU a delivery, cm / | **1.20** (1.20 to 1.20) |");
  expect(text).toContain(
    "From [2026-01-03.md](../benchmarks/results/2026-01-03.md), a run of 2026-01-03 on commit c03",
  );
  expect(text).toContain("| server CPU us a join, cm / | **4.00** (4.00 to 4.00) |");
  expect(text).not.toContain("2026-01-01");
  expect([...charts.keys()]).toEqual(["performance-many-rooms.svg", "performance-socket-joins.svg"]);
});

it("ignores fields that results of older builds do not have", () => {
  const old = result("2026-01-01", {});
  const older = {
    ...old,
    result: { ...old.result, figureRuns: undefined, ratios: undefined } as unknown as BenchResult,
  };
  const latest = chooseLatest([older], ["socket-joins"]);
  expect(latest).toMatchObject({ loads: [], figures: [], memory: undefined, storms: undefined });
});

it("tells by how much a goal is missed and why, from the measurement", () => {
  const { text } = toPerformancePage(chooseLatest([loadResult("2026-01-02", 12, 10)], []));
  expect(text).toContain(
    "| many-rooms | server CPU a delivery / minimum | 1.20 | at most 1.05 | **not met**, by 14 % | " +
      "in user mode 3.00 us a delivery instead of 2.50, in the kernel 9.00 instead of 7.50 |",
  );
});

it("judges a figure that must reach a minimum, and gives no reason for a goal that is met", () => {
  const judge = (cm: number) => {
    const ratio = { scenario: "saturation", contender: "cm", against: "minimum", turns: 1, doubtfulTurns: 0 } as const;
    const ratios = [
      { ...ratio, figure: "deliveries a second of a server core" as const, median: cm, low: cm, high: cm },
    ];
    const none = {
      medians: [],
      memory: undefined,
      reaping: undefined,
      storms: [],
      statistics: [],
      scaleOut: [],
      figureRuns: [],
    };
    return judgeGoals({ ...none, ratios })[0];
  };
  expect(judge(1)).toMatchObject({ met: true, why: undefined, isMinimum: true, limit: 1 });
  expect(judge(0.9)).toMatchObject({ met: false });
});

it("gives no verdict on a figure whose runs were all disturbed", () => {
  const none = {
    medians: [],
    ratios: [],
    memory: undefined,
    reaping: undefined,
    storms: [],
    statistics: [],
    scaleOut: [],
  };
  const disturbed = [figureRun("cm", 40, { disturbed: true })];
  expect(judgeGoals({ ...none, figureRuns: disturbed })).toMatchObject([{ caution: "cm disturbed by other work" }]);
  const sound = [...disturbed, figureRun("cm", 60, { repeat: 2 })];
  expect(judgeGoals({ ...none, figureRuns: sound })).toMatchObject([{ caution: undefined, value: 60, met: false }]);
});

it("judges the share of the messages that one of several gateways receives", () => {
  const none = { medians: [], ratios: [], memory: undefined, reaping: undefined, storms: [], statistics: [] };
  const run = { rooms: 200, members: 2, published: 1_000, receivedAll: 2_000, delivered: 2_000, valid: true };
  const scaleOut = [
    { ...run, gateways: 2, receivedMost: 1_000 },
    { ...run, gateways: 8, receivedMost: 260 },
  ];
  expect(judgeGoals({ ...none, figureRuns: [], scaleOut })).toMatchObject([
    { value: 1, limit: 1, met: true },
    { value: 0.26, limit: 0.25, met: false },
  ]);
});

it("leaves disturbed and invalid runs out of medians and ratios where there are others", () => {
  const runs = [
    ...[figureRun("cm", 30), figureRun("minimum", 10)],
    ...[figureRun("cm", 90, { repeat: 2, disturbed: true }), figureRun("minimum", 10, { repeat: 2 })],
    ...[figureRun("cm", 500, { repeat: 3, valid: false }), figureRun("minimum", 10, { repeat: 3 })],
  ];
  expect(takeFigureMedians(runs)[0]).toMatchObject({ subject: "cm", median: 30, validRuns: 2, soundRuns: 1 });
  expect(takeFigureRatios(runs)).toMatchObject([{ median: 3, turns: 2, doubtfulTurns: 1 }]);
});

it("says how many connections a scaled run had", () => {
  const results = [result("2026-01-03", { figureRuns: [figureRun("cm", 80)] })];
  const { text } = toPerformancePage(chooseLatest(results, ["socket-joins"]));
  expect(text).toContain("250 connections to one server, all opened at the same time");
  expect(text).toContain("Then 500 connections each");
});

it("shows a dash for a ratio to nothing and for memory that did not grow", () => {
  const floor = measurement("floor", 5, { redisCpuUsPerMessage: 0 });
  const load = loadResult("2026-01-02", 12, 10);
  const measurements = [...load.result.measurements, floor];
  const shrunk = [figureRun("cm", -5), figureRun("minimum", 20)];
  const results = [{ ...load, result: { ...load.result, measurements, figureRuns: shrunk } }];
  const { text } = toPerformancePage(chooseLatest(results, ["socket-joins"]));
  expect(text).toContain("| Redis CPU a message, cm / | **1.00** (1.00 to 1.00) | - |");
  expect(text).toContain("| server CPU us a join, cm / | - |");
  expect(text).toContain("| server CPU us a join | - | 20.00 |");
  expect(text).not.toMatch(/Infinity|NaN/);
});

it("draws bars that keep to the picture, with their content as text and its characters escaped", () => {
  const bars = [
    { label: "cm", value: 10, text: "10 <us>", isOwn: true },
    { label: "other", value: -5, text: "-5", isOwn: false },
  ];
  const svg = drawBarChart({ title: "A & B", description: "cm 10", groups: [{ heading: "h", bars }] });
  expect(svg).toContain("<title>A &amp; B</title>");
  expect(svg).toContain("<desc>cm 10</desc>");
  expect(svg).toContain("10 &lt;us&gt;");
  const widths = [...svg.matchAll(/<rect class="(?:solid|bar)" x="124" y="\d+" width="([\d.]+)"/g)].map(
    ([, width]) => width,
  );
  expect(widths).toEqual(["116.0", "1.0"]);
});

it.each([
  ["load-0000", "load-0001"],
  ["load-0001", "load-0000"],
  ["load-000z", "load-000y"],
  ["load-0010", "load-0011"],
])("pairs %s with %s for direct messages", (user, partner) => {
  expect(partnerOf(user)).toBe(partner);
});
