import { startRedis, startRedisCluster } from "@cm/test-kit";
import { CONTENDERS } from "../contenders.js";
import { driveInProcess } from "../driver/driver-process.js";
import type { FigureContext, FigureSample, FigureScenario } from "../figures/figure-run.js";
import { type Scenario, SERVERS, scaled } from "../scenario.js";
import { toMeasurement } from "../scenario-measurement.js";
import { startServerProcess } from "../server-process.js";

const LOAD: Scenario = {
  name: "bus",
  ...{ rooms: 400, members: 2, rate: 4_000, bytes: 200 },
  contenders: ["cm"],
};

const SINGLE = "one Redis";
const CLUSTER = "Cluster of three masters";

/** Measures how many messages a second the bus carries on one Redis and on a Cluster. */
export const busScenario: FigureScenario = {
  name: "bus",
  text: (scale) => {
    const { rooms, members, rate } = scaled(LOAD, scale);
    return (
      `Two gateways, ${rooms} rooms of ${members} with a member on each, ${rate} messages a second in all, on one Redis ` +
      "and on a Cluster of three masters. What the bus carries is calculated from the processor time of its busiest process: " +
      "a process of Redis executes commands on one core."
    );
  },
  subjects: [CLUSTER, SINGLE],
  measure,
};

interface Bus {
  readonly url: string;
  readonly pids: readonly number[];
  close(): Promise<void>;
}

async function startBus(subject: string): Promise<Bus> {
  if (subject === CLUSTER) return startRedisCluster({ masters: 3, replicas: 0 });
  const redis = await startRedis();
  return { url: redis.url, pids: [redis.pid], close: () => redis.close() };
}

async function measure(subject: string, context: FigureContext): Promise<FigureSample> {
  const { repeat, scale, seconds, warmupSeconds } = context;
  const bus = await startBus(subject);
  const servers = await Promise.all(
    Array.from({ length: SERVERS }, (_, index) => startServerProcess(CONTENDERS.cm, index, bus.url)),
  );
  try {
    const scenario = scaled(LOAD, scale);
    const urls = servers.map(({ url }) => url);
    const driving = driveInProcess({
      ...{ contender: "cm", urls, scenario, warmupSeconds, seconds, seed: repeat },
      serverPids: servers.map(({ pid }) => pid),
      redisPids: bus.pids,
    });
    const result = await driving.result;
    const { valid, otherCores, p99Ms, publishedPerSecond, ...run } = toMeasurement("cm", { scenario, repeat }, result);
    const busiestCores = Math.max(...result.redisCpu.map(({ total }) => total)) / result.report.steady.seconds;
    return {
      valid,
      otherCores,
      figures: {
        "messages a second that the bus carries (more is better)": publishedPerSecond / busiestCores,
        "Redis CPU us a message": run.redisCpuUsPerMessage,
        "of it in the busiest process": (busiestCores * 1e6) / publishedPerSecond,
        "server CPU us a delivery": run.serverCpuUsPerDelivery,
        "p99 ms": p99Ms,
      },
    };
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
    await bus.close();
  }
}
