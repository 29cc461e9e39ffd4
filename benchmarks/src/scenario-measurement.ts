import { driverWasFull } from "@cm/load";
import type { RedisServer } from "@cm/test-kit";
import { CONTENDERS, type ContenderName } from "./contenders.js";
import { driveInProcess } from "./driver/driver-process.js";
import type { PingLatency } from "./probe/probe-process.js";
import type { Scenario } from "./scenario.js";
import { startServerProcess } from "./server-process.js";

/** The results of one run of a contender in a scenario. */
export interface Measurement {
  readonly contender: ContenderName;
  readonly scenario: string;
  readonly repeat: number;
  /**
   * Whether every delivery arrived exactly once. Order is not considered, because not every contender
   * guarantees one.
   */
  readonly valid: boolean;
  /**
   * Whether the number of deliveries differs by more than 3 % from the number that was due for the published
   * messages, which means that a queue grew or shrank.
   */
  readonly saturated: boolean;
  /**
   * Whether other processes used more than a tenth of a core during the run, so that the figures are less
   * reliable.
   */
  readonly disturbed: boolean;
  /** Average number of cores that other processes used. */
  readonly otherCores: number;
  readonly driverFull: boolean;
  readonly driverBusy: number;
  /** Microseconds of processor time, user and system, of both servers per delivery. */
  readonly serverCpuUsPerDelivery: number;
  /** The part of `serverCpuUsPerDelivery` that was spent in user mode. */
  readonly serverUserUsPerDelivery: number;
  /** Microseconds of Redis's processor time per published message. */
  readonly redisCpuUsPerMessage: number;
  readonly deliveriesPerSecond: number;
  readonly publishedPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Ping latency of a connection that is alone in its room on one of the servers. */
  readonly ping: PingLatency;
  readonly losses: number;
  readonly duplicates: number;
  readonly orderViolations: number;
}

/** Options of one run. */
export interface MeasureOptions {
  readonly scenario: Scenario;
  readonly repeat: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
  readonly redis: RedisServer;
  /** Node.js arguments for the servers, such as `--cpu-prof`. */
  readonly nodeArgs: readonly string[];
}

/** Number of server processes of a contender. */
export const SERVERS = 2;

/** Number of cores used by other processes above which a run counts as disturbed. */
const DISTURBED_CORES = 0.1;

/** Starts a contender's servers, runs the driver, and stops the servers. */
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
