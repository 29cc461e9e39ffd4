import { driverWasFull } from "@cm/load";
import type { RedisServer } from "@cm/test-kit";
import { CONTENDERS, type ContenderName } from "./contender.js";
import { driveInProcess } from "./driver/driver-process.js";
import type { PingLatency } from "./probe/probe-process.js";
import type { Scenario } from "./scenario.js";
import { startServerProcess } from "./server-process.js";

/** One contender under one scenario, once. */
export interface Measurement {
  readonly contender: ContenderName;
  readonly scenario: string;
  readonly repeat: number;
  /** All deliveries came, each once. Order is not judged here: not every contender promises one. */
  readonly valid: boolean;
  /** Deliveries differ by more than 3 % from what was published: a queue grew or shrank. */
  readonly saturated: boolean;
  /** Something else used more than a tenth of a core meanwhile: the figures deserve less trust. */
  readonly disturbed: boolean;
  /** Cores that something else used, on average. */
  readonly otherCores: number;
  readonly driverFull: boolean;
  readonly driverBusy: number;
  /** Microseconds of processor time, user and system, of both servers for each delivery. */
  readonly serverCpuUsPerDelivery: number;
  /** The part of it that was spent outside of the kernel. */
  readonly serverUserUsPerDelivery: number;
  /** Microseconds of Redis's processor time for each message published. */
  readonly redisCpuUsPerMessage: number;
  readonly deliveriesPerSecond: number;
  readonly publishedPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** What a connection to one of the servers that is alone in its room waited for its pongs. */
  readonly ping: PingLatency;
  readonly losses: number;
  readonly duplicates: number;
  readonly orderViolations: number;
}

/** How a run is done. */
export interface MeasureOptions {
  readonly scenario: Scenario;
  readonly repeat: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
  readonly redis: RedisServer;
  /** Arguments of Node for the servers, such as `--cpu-prof`. */
  readonly nodeArgs: readonly string[];
}

/** Server processes of a contender. */
export const SERVERS = 2;

/** From here on a run counts as disturbed: a tenth of a core. */
const DISTURBED_CORES = 0.1;

/** Starts a contender's servers, drives them, ends them. */
export async function measure(contender: ContenderName, options: MeasureOptions): Promise<Measurement> {
  const { scenario, repeat, redis, nodeArgs, warmupSeconds, seconds } = options;
  const servers = await Promise.all(
    Array.from({ length: SERVERS }, (_, index) =>
      startServerProcess(CONTENDERS[contender], index, redis.url, nodeArgs),
    ),
  );
  try {
    const { report, serverCpu, redisCpu, otherCpuSeconds, ping } = await driveInProcess({
      contender,
      urls: servers.map((server) => server.url),
      scenario,
      warmupSeconds,
      seconds,
      seed: repeat,
      serverPids: servers.map((server) => server.pid),
      redisPid: redis.pid,
    });
    const { findings, steady, latencyMs } = report;
    return {
      contender,
      scenario: scenario.name,
      repeat,
      valid:
        report.connections.failed === 0 &&
        findings.expected === report.published * scenario.members &&
        findings.losses + findings.duplicates + findings.strays === 0,
      saturated: Math.abs(steady.deliveries / (steady.published * scenario.members) - 1) > 0.03,
      disturbed: otherCpuSeconds / steady.seconds > DISTURBED_CORES,
      otherCores: otherCpuSeconds / steady.seconds,
      driverFull: driverWasFull(report),
      driverBusy: report.driver.busy,
      serverCpuUsPerDelivery: ((serverCpu.user + serverCpu.system) * 1e6) / steady.deliveries,
      serverUserUsPerDelivery: (serverCpu.user * 1e6) / steady.deliveries,
      redisCpuUsPerMessage: ((redisCpu.user + redisCpu.system) * 1e6) / steady.published,
      deliveriesPerSecond: steady.deliveries / steady.seconds,
      publishedPerSecond: steady.published / steady.seconds,
      p50Ms: latencyMs.p50,
      p99Ms: latencyMs.p99,
      ping,
      losses: findings.losses,
      duplicates: findings.duplicates,
      orderViolations: findings.roomOrderViolations,
    };
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}
