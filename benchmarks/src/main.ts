import { isCmError } from "@cm/protocol";
import { startRedis } from "@cm/test-kit";
import { BENCH_USAGE, type BenchOptions, parseBenchOptions } from "./bench-options.js";
import { measureRedisMemory } from "./memory/redis-memory.js";
import { measureStorms } from "./operations/presence-storms.js";
import { measureReaping } from "./operations/reaping-cost.js";
import { measureStatistics, type StatisticsCost } from "./operations/statistics-cost.js";
import type { BenchResult } from "./results/bench-result.js";
import { takeMedians, takeRatios } from "./results/comparison.js";
import { judgeGoals } from "./results/goals.js";
import { describeCommit, describeMachine } from "./results/machine.js";
import { toMarkdown } from "./results/markdown.js";
import { writePage, writeResult } from "./results/result-files.js";
import { measureScaleOut } from "./scale-out/scale-out.js";
import { type Measurement, measure } from "./scenario-measurement.js";

async function main(): Promise<void> {
  const options = parseBenchOptions(process.argv.slice(2));
  if (options.help) {
    console.log(BENCH_USAGE);
    return;
  }
  if (options.page) {
    console.log(`Written to ${await writePage()}`);
    return;
  }
  const result = await bench(options);
  const path = await writeResult(result);
  console.log(`${toMarkdown(result)}\nWritten to ${path}`);
  if ([...result.measurements, ...result.scaleOut].some((run) => !run.valid)) process.exitCode = 1;
}

async function bench(options: BenchOptions): Promise<BenchResult> {
  const startedAt = new Date().toISOString();
  const commit = await describeCommit();
  const redis = await startRedis();
  try {
    const machine = await describeMachine(redis);
    const measurements = await measureAll(options, redis);
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
      seconds: options.seconds,
      warmupSeconds: options.warmupSeconds,
      repeats: options.repeats,
      scale: options.scale,
      scenarios: options.scenarios,
      medians,
      ratios,
      memory,
      storms,
      statistics,
      reaping,
      scaleOut,
      goals: judgeGoals({ medians, ratios, memory, reaping, storms, statistics }),
      measurements,
    };
  } finally {
    await redis.close();
  }
}

/** Measures the statistics of the same number of servers, with few connections and with 100,000. */
async function measureAllStatistics(): Promise<StatisticsCost[]> {
  return [
    await measureStatistics({ servers: 10, connectionsPerServer: 100, roomMembers: 20 }),
    await measureStatistics({ servers: 10, connectionsPerServer: 10_000, roomMembers: 20 }),
  ];
}

/**
 * Runs all scenarios. The contenders run alternately, so that a temporary disturbance of the machine affects
 * all of them.
 */
async function measureAll(
  { scenarios, contenders, repeats, seconds, warmupSeconds, profileFolder, maxMinutes }: BenchOptions,
  redis: Awaited<ReturnType<typeof startRedis>>,
): Promise<Measurement[]> {
  const measurements: Measurement[] = [];
  const lastStart = performance.now() + maxMinutes * 60_000;
  for (let repeat = 1; repeat <= repeats; repeat++) {
    for (const scenario of scenarios) {
      // Only check the time between turns: a turn must be run by all contenders or by none, because ratios are
      // calculated within a turn.
      if (performance.now() > lastStart) return measurements;
      for (const contender of contenders) {
        const nodeArgs =
          profileFolder === undefined
            ? []
            : ["--cpu-prof", `--cpu-prof-dir=${profileFolder}/${scenario.name}-${contender}`];
        const once = () => measure(contender, { scenario, repeat, warmupSeconds, seconds, redis, nodeArgs });
        let run = await once();
        console.error(summarise(run));
        if (run.disturbed && performance.now() < lastStart) {
          run = await once();
          console.error(`  again: ${summarise(run)}`);
        }
        measurements.push(run);
      }
    }
  }
  return measurements;
}

function summarise(run: Measurement): string {
  return (
    `${run.scenario} ${run.contender} #${run.repeat}: ${run.serverCpuUsPerDelivery.toFixed(2)} µs a delivery, ` +
    `${run.redisCpuUsPerMessage.toFixed(1)} µs of Redis a message, ${run.deliveriesPerSecond.toFixed(0)} deliveries/s, ` +
    `p50 ${run.p50Ms.toFixed(2)} ms, p99 ${run.p99Ms.toFixed(2)} ms, ping p99 ${run.ping.p99Ms.toFixed(2)} ms` +
    `${run.saturated ? ", saturated" : ""}${run.disturbed ? `, disturbed by ${run.otherCores.toFixed(2)} cores` : ""}` +
    `${run.valid ? "" : `, INVALID (${run.losses} lost, ${run.duplicates} doubled)`}`
  );
}

try {
  await main();
} catch (error) {
  if (!isCmError(error) || error.code !== "options-invalid") throw error;
  console.error(`${error.message}\n\n${BENCH_USAGE}`);
  process.exitCode = 2;
}
