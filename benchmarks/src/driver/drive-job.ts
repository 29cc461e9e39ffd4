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
  readonly redisPid: number;
}

/** The result of a driver process. */
export interface DriveResult {
  readonly report: LoadReport;
  /** Processor time of all servers in the steady part. */
  readonly serverCpu: CpuSeconds;
  readonly redisCpu: CpuSeconds;
  /** Processor time of everything else on the machine: neither servers, Redis, driver nor probe. */
  readonly otherCpuSeconds: number;
  /** Latency of a connection to the first server in the steady part. */
  readonly ping: PingLatency;
}
