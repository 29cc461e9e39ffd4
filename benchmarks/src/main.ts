import { isCmError } from "@cm/protocol";
import { startRedis } from "@cm/test-kit";
import { BENCH_USAGE, type BenchOptions, parseBenchOptions } from "./bench-options.js";
import { measureFigures } from "./figures/measure-figures.js";
import { measureLoads } from "./measure-loads.js";
import { measureRedisMemory } from "./memory/redis-memory.js";
import { measureStorms } from "./operations/presence-storms.js";
import { measureReaping } from "./operations/reaping-cost.js";
import { measureStatistics, type StatisticsCost } from "./operations/statistics-cost.js";
import type { BenchResult } from "./results/bench-result.js";
import { judgeGoals } from "./results/goals.js";
import { takeMedians, takeRatios } from "./results/load-ratios.js";
import { describeCommit, describeMachine } from "./results/machine.js";
import { toMarkdown } from "./results/markdown.js";
import { writePage, writeResult } from "./results/result-files.js";
import { measureScaleOut } from "./scale-out/scale-out.js";

async function main(): Promise<void> {
  const options = parseBenchOptions(process.argv.slice(2));
  if (options.help) {
    console.log(BENCH_USAGE);
    return;
  }
  if (options.page) {
    console.log(`Written to ${await writePage(options.resultsFolder)}`);
    return;
  }
  const result = await bench(options);
  const path = await writeResult(result, options.resultsFolder);
  console.log(`${toMarkdown(result)}\nWritten to ${path}`);
  if ([...result.measurements, ...result.figureRuns, ...result.scaleOut].some((run) => !run.valid))
    process.exitCode = 1;
}

async function bench(options: BenchOptions): Promise<BenchResult> {
  const startedAt = new Date().toISOString();
  const commit = await describeCommit();
  const redis = await startRedis();
  try {
    const machine = await describeMachine(redis);
    const { scenarios, figureScenarios, contenders: chosen, repeats, seconds, warmupSeconds } = options;
    const { scale, profileFolder } = options;
    const lastStart = performance.now() + options.maxMinutes * 60_000;
    const turns = { redis, chosen, repeats, seconds, warmupSeconds, lastStart };
    const measurements = await measureLoads(scenarios, { ...turns, profileFolder });
    const figureRuns = await measureFigures(figureScenarios, { ...turns, scale });
    const memory = options.memory
      ? await measureRedisMemory({ servers: 10, connectionsPerServer: 10_000, roomMembers: 20 })
      : undefined;
    const storms = options.storms ? await measureStorms(options.repeats) : [];
    const statistics = options.statistics ? await measureAllStatistics() : [];
    const reaping = options.reaping ? await measureReaping() : undefined;
    const scaleOut = options.scaleOut ? await measureScaleOut(redis) : [];
    const medians = takeMedians(measurements);
    const ratios = takeRatios(measurements);
    return {
      startedAt,
      commit,
      machine,
      seconds,
      warmupSeconds,
      repeats,
      scale,
      scenarios,
      medians,
      ratios,
      memory,
      storms,
      statistics,
      reaping,
      scaleOut,
      figureRuns,
      goals: judgeGoals({ medians, ratios, memory, reaping, storms, statistics, scaleOut, figureRuns }),
      measurements,
    };
  } finally {
    await redis.close();
  }
}

/** Measures the cost of the statistics of ten servers, with 1,000 connections and with 100,000. */
async function measureAllStatistics(): Promise<StatisticsCost[]> {
  return [
    await measureStatistics({ servers: 10, connectionsPerServer: 100, roomMembers: 20 }),
    await measureStatistics({ servers: 10, connectionsPerServer: 10_000, roomMembers: 20 }),
  ];
}

try {
  await main();
} catch (error) {
  if (!isCmError(error) || error.code !== "options-invalid") throw error;
  console.error(`${error.message}\n\n${BENCH_USAGE}`);
  process.exitCode = 2;
}
