import type { LoadReport } from "@cm/load";
import type { ContenderName } from "../contenders.js";
import type { TimeSpan } from "../gc/gc-pauses.js";
import type { CommandUses } from "../operations/command-uses.js";
import type { PingLatency } from "../probe/probe-process.js";
import type { CpuSeconds } from "../process-cpu.js";
import type { Scenario } from "../scenario.js";

/** The job of a driver process. */
export interface DriveJob {
  readonly contender: ContenderName;
  readonly urls: readonly string[];
  readonly scenario: Scenario;
  readonly warmupSeconds: number;
  readonly seconds: number;
  readonly seed: number;
  readonly serverPids: readonly number[];
  /** Every process of Redis; a Cluster has several. */
  readonly redisPids: readonly number[];
  /** The port of a single Redis, whose commands are counted. */
  readonly redisPort?: number;
  /** Further processes that take part in the run, whose work does not count as a disturbance. */
  readonly otherPids?: readonly number[];
}

/** The result of a driver process. The steady part of a run is what follows the warm-up. */
export interface DriveResult {
  readonly report: LoadReport;
  /** Processor time of each server in the steady part. */
  readonly serverCpu: readonly CpuSeconds[];
  /** Processor time of each process of Redis in the steady part. */
  readonly redisCpu: readonly CpuSeconds[];
  /** Seconds of processor time, in the steady part, of all processes that do not take part in the run. */
  readonly otherCpuSeconds: number;
  /** Ping latency, in the steady part, of an additional connection to the first server. */
  readonly ping: PingLatency;
  /** Redis's commands for a published message in the steady part, if the job has the port. */
  readonly redisCommands: CommandUses | undefined;
  /** The time of the steady part. */
  readonly steadyTime: TimeSpan;
  /** Memory of all servers at the end of the steady part (resident set), in bytes. */
  readonly serverBytes: number;
}

/** The message that a driver process sends over IPC when the steady part begins. */
export const STEADY = "steady";
