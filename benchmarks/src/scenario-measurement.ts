import { driverWasFull } from "@cm/load";
import type { RedisServer } from "@cm/test-kit";
import { CONTENDERS, type ContenderName } from "./contenders.js";
import type { DriveResult } from "./driver/driver-job.js";
import { driveInProcess } from "./driver/driver-process.js";
import { createGcFiles, type GcPauses } from "./gc/gc-pauses.js";
import type { CommandUses } from "./operations/command-uses.js";
import type { PingLatency } from "./probe/probe-process.js";
import { sumCpu } from "./process-cpu.js";
import { receiversOf, type Scenario, SERVERS } from "./scenario.js";
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
  /**
   * Whether the driver limited the load. A driver without idle time does not count if the servers had none
   * either.
   */
  readonly driverFull: boolean;
  readonly driverBusy: number;
  /** Microseconds of processor time, user and system, of all servers together per delivery. */
  readonly serverCpuUsPerDelivery: number;
  /** The part of `serverCpuUsPerDelivery` that was spent in user mode. */
  readonly serverUserUsPerDelivery: number;
  /** Microseconds of Redis's processor time per published message. */
  readonly redisCpuUsPerMessage: number;
  /** Redis's commands for a published message; older results lack them. */
  readonly redisCommands?: CommandUses;
  /** Pauses of the servers' garbage collections; older results lack them. */
  readonly gc?: GcPauses;
  /** Number of cores that all servers used together, and number of cores that the busiest one used. */
  readonly serverCores: number;
  readonly busiestServerCores: number;
  /** Memory of all servers at the end (resident set), in MiB. */
  readonly serverMiB: number;
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

/** Number of cores used by other processes above which a run counts as disturbed. */
export const DISTURBED_CORES = 0.1;

/**
 * A server that uses at least this many cores counts as busy all the time. The number is less than 1, because
 * driver and Redis need more than one of a machine's two cores when a server is saturated, so that the server has
 * to wait for its core.
 */
const FULL_SERVER_CORES = 0.6;

/** Starts a contender's servers, runs the driver, and stops the servers. */
export async function measure(contender: ContenderName, options: MeasureOptions): Promise<Measurement> {
  const { scenario, repeat, redis, nodeArgs, warmupSeconds, seconds } = options;
  const { maxServers = Number.POSITIVE_INFINITY } = CONTENDERS[contender];
  const count = Math.min(maxServers, scenario.servers ?? SERVERS);
  const gcFiles = await createGcFiles(count);
  const servers = await Promise.all(
    Array.from({ length: count }, (_, index) => {
      const reporting = gcFiles.forServer(index);
      const options = { ...reporting, nodeArgs: [...nodeArgs, ...reporting.nodeArgs] };
      return startServerProcess(CONTENDERS[contender], index, redis.url, options);
    }),
  );
  try {
    const driving = driveInProcess({
      contender,
      urls: servers.map((server) => server.url),
      scenario,
      warmupSeconds,
      seconds,
      seed: repeat,
      serverPids: servers.map((server) => server.pid),
      redisPids: [redis.pid],
      redisPort: redis.port,
    });
    const result = await driving.result;
    const gc = await gcFiles.read(result.steadyTime);
    return { ...toMeasurement(contender, options, result), gc };
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
    await gcFiles.remove();
  }
}

/** Calculates the figures of a run from what its driver measured. */
export function toMeasurement(
  contender: ContenderName,
  { scenario, repeat }: Pick<MeasureOptions, "scenario" | "repeat">,
  { report, serverCpu, redisCpu, redisCommands, otherCpuSeconds, ping, serverBytes }: DriveResult,
): Measurement {
  const { findings, steady, latencyMs } = report;
  const servers = sumCpu(serverCpu);
  const redis = sumCpu(redisCpu);
  const cores = serverCpu.map(({ total }) => total / steady.seconds);
  const receivers = receiversOf(scenario);
  return {
    contender,
    scenario: scenario.name,
    repeat,
    valid:
      report.connections.failed === 0 &&
      findings.expected === report.published * receivers &&
      findings.losses + findings.duplicates + findings.strays === 0,
    saturated: Math.abs(steady.deliveries / (steady.published * receivers) - 1) > 0.03,
    disturbed: otherCpuSeconds / steady.seconds > DISTURBED_CORES,
    otherCores: otherCpuSeconds / steady.seconds,
    driverFull: driverWasFull(report) && Math.min(...cores) < FULL_SERVER_CORES,
    driverBusy: report.driver.busy,
    serverCpuUsPerDelivery: (servers.total * 1e6) / steady.deliveries,
    serverUserUsPerDelivery: (servers.user * 1e6) / steady.deliveries,
    redisCpuUsPerMessage: (redis.total * 1e6) / steady.published,
    ...(redisCommands === undefined ? {} : { redisCommands }),
    serverCores: cores.reduce((sum, each) => sum + each, 0),
    busiestServerCores: Math.max(...cores),
    serverMiB: serverBytes / 2 ** 20,
    deliveriesPerSecond: steady.deliveries / steady.seconds,
    publishedPerSecond: steady.published / steady.seconds,
    p50Ms: latencyMs.p50,
    p99Ms: latencyMs.p99,
    ping,
    losses: findings.losses,
    duplicates: findings.duplicates,
    orderViolations: findings.roomOrderViolations,
  };
}
