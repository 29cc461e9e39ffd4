import type { LoadReport } from "@cm/load";
import type { ContenderName } from "../contenders.js";
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
  /** Every process of the Redis that the servers use. */
  readonly redisPids: readonly number[];
  /** Further processes that take part in the run, whose work does not count as a disturbance. */
  readonly otherPids?: readonly number[];
}

/** The result of a driver process. */
export interface DriveResult {
  readonly report: LoadReport;
  /** Processor time of each server in the steady part. */
  readonly serverCpu: readonly CpuSeconds[];
  /** Processor time of each process of Redis in the steady part. */
  readonly redisCpu: readonly CpuSeconds[];
  /** Processor time of everything else on the machine: neither servers, Redis, driver nor probe. */
  readonly otherCpuSeconds: number;
  /** Latency of a connection to the first server in the steady part. */
  readonly ping: PingLatency;
  /** Memory of all servers at the end of the steady part (resident set), in bytes. */
  readonly serverBytes: number;
}

/** Told by a driver process when the steady part begins. */
export const STEADY = "steady";
