import { performance } from "node:perf_hooks";
import type { RedisServer } from "@cm/test-kit";
import { cpuBetween, readProcessCpu } from "../process-cpu.js";
import { type CommandUses, readCommandUses, usesPerOperation } from "./command-uses.js";

/** The cost of one run of operations. */
export interface OperationRun {
  readonly operations: number;
  readonly wallMs: number;
  /** Microseconds of this process's processor time per operation. */
  readonly clientCpuUsPerOperation: number;
  /** Microseconds of Redis's processor time per operation. */
  readonly redisCpuUsPerOperation: number;
  /** Redis's commands for an operation; older results lack them. */
  readonly redisCommands?: CommandUses;
  readonly p99Ms: number;
}

/** One operation; `index` counts from 0. */
export type Operation = (index: number) => Promise<unknown>;

/** Runs operations, at most `concurrency` at a time, and measures them. */
export async function runOperations(
  redis: RedisServer,
  count: number,
  concurrency: number,
  operation: Operation,
): Promise<OperationRun> {
  const durations = new Float64Array(count);
  const commandsBefore = await readCommandUses(redis.port);
  const redisBefore = readProcessCpu(redis.pid);
  const ownBefore = process.cpuUsage();
  const startedAt = performance.now();
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) {
      const from = performance.now();
      await operation(index);
      durations[index] = performance.now() - from;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  const wallMs = performance.now() - startedAt;
  const own = process.cpuUsage(ownBefore);
  const spent = cpuBetween(redisBefore, readProcessCpu(redis.pid));
  const redisCommands = usesPerOperation(commandsBefore, await readCommandUses(redis.port), count);
  durations.sort();
  return {
    operations: count,
    wallMs,
    clientCpuUsPerOperation: (own.user + own.system) / count,
    redisCpuUsPerOperation: (spent.total * 1e6) / count,
    redisCommands,
    p99Ms: durations[Math.min(count - 1, Math.floor(count * 0.99))] ?? Number.NaN,
  };
}
