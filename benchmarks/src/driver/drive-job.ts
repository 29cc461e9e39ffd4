import type { LoadReport } from "@cm/load";
import type { ContenderName } from "../contender.js";
import type { PingLatency } from "../probe/probe-process.js";
import type { CpuSeconds } from "../process-cpu.js";
import type { Scenario } from "../scenario.js";

/** What the driver process is told to do. */
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

/** What the driver process answers. */
export interface DriveResult {
  readonly report: LoadReport;
  /** Processor time of all servers over the steady part. */
  readonly serverCpu: CpuSeconds;
  readonly redisCpu: CpuSeconds;
  /** What everything else on the machine used: neither servers nor Redis nor the driver nor the probe. */
  readonly otherCpuSeconds: number;
  /** Of a connection to the first server, over the steady part. */
  readonly ping: PingLatency;
}
