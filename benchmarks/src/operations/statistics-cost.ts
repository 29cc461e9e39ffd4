import { performance } from "node:perf_hooks";
import type { OnError } from "@cm/protocol";
import { createRedisStore } from "@cm/redis-store";
import { startRedis } from "@cm/test-kit";
import { median } from "../results/median.js";
import { countCommands } from "./command-count.js";
import { acquireLeases, type FillOptions, fillRedis } from "./filled-redis.js";

/** The cost of reading the statistics. */
export interface StatisticsCost {
  readonly connections: number;
  readonly servers: number;
  /** Number of commands sent to Redis for all statistics together. */
  readonly commands: number;
  /** Median duration of 50 consecutive reads. */
  readonly medianMs: number;
  readonly longestMs: number;
}

const ASKINGS = 50;

/** Measures the cost of reading all statistics from a Redis that is filled according to `options`. */
export async function measureStatistics(options: FillOptions): Promise<StatisticsCost> {
  const redis = await startRedis();
  const onError: OnError = (error) => console.error(error);
  const store = createRedisStore({ url: redis.url, onError });
  try {
    await store.start();
    await fillRedis(store, await acquireLeases(store, options), options);
    const ask = () =>
      Promise.all([
        store.servers.snapshot(),
        store.counts.of("users"),
        store.counts.of("connections"),
        store.counts.of("rooms"),
        store.counts.of("roomRecords"),
      ]);
    const durations: number[] = [];
    for (let asking = 0; asking < ASKINGS; asking++) {
      const from = performance.now();
      await ask();
      durations.push(performance.now() - from);
    }
    return {
      connections: options.servers * options.connectionsPerServer,
      servers: options.servers,
      commands: await countCommands(redis, ask),
      medianMs: median(durations),
      longestMs: Math.max(...durations),
    };
  } finally {
    await store.close();
    await redis.close();
  }
}
