import type { GatewayProcess } from "@cm/gateway-kit/processes/gateway-process";
import type { BystanderFigures } from "./bystanders.js";
import { Bystanders } from "./bystanders.js";
import { type CoreFigures, CoreWait } from "./core-wait.js";
import { Crowd } from "./crowd-process.js";
import { patiently } from "./patient-opening.js";

/** Size and duration of an attack. */
export interface Scale {
  /** 1 for the promised figures, less for a quick check; the limits that crowds must reach are scaled accordingly. */
  readonly size: number;
  readonly seconds: number;
}

/** Latencies of uninvolved clients, and the longest delay of the gateway's event loop meanwhile. */
export interface SceneFigures extends BystanderFigures {
  readonly gatewayDelayMs: number;
  /** How the gateway's main thread was scheduled meanwhile; `undefined` if the kernel does not report it. */
  readonly gatewayCore: CoreFigures | undefined;
}

/** Environment variables that let an attack read the gateway's counters and metrics. */
export const OBSERVED = { ADMIN_PORT: "0", PUBLIC_STATS: "true" } as const;

/** Options of {@link Scene.bystanders}. */
export interface BystanderOptions {
  /** Runs after the uninvolved clients have connected, and before they are measured. */
  readonly beforehand?: () => Promise<void>;
  /** Whether the uninvolved clients join and leave rooms. Default: yes. */
  readonly areVisiting?: boolean;
}

/** The environment of an attack. */
export interface Scene {
  readonly gateway: GatewayProcess;
  /** The URL that uninvolved clients connect to: the gateway's, with the query of {@link Preparation}. */
  readonly clientUrl: string;
  readonly scale: Scale;
  /** Starts a process for connections; it is ended with the scene. */
  crowd(): Crowd;
  /** Measures uninvolved clients while `during` runs. */
  bystanders(during: () => Promise<void>, options?: BystanderOptions): Promise<SceneFigures>;
  /** The value of a sample without labels in the gateway's metrics. */
  metric(name: string): Promise<number>;
  /** Resident memory of the gateway, in MiB. */
  memoryMiB(): Promise<number>;
  /** The gateway's counters. */
  stats(): Promise<Stats>;
}

/** The fields of `/stats` that attacks read. */
export interface Stats {
  readonly connections: number;
  readonly pendingRemovals: number;
  readonly transport: {
    readonly connections: number;
    readonly upgrading: number;
    /** Sockets that the native layer closed during their upgrade; their clients see 1006 and try again. */
    readonly upgradesLost: number;
    readonly memberships: number;
    readonly bytesWaiting: number;
    readonly slowConsumersClosed: number;
    readonly closed: Readonly<Record<string, number>>;
  };
  readonly limits: Readonly<Record<string, number>>;
  readonly capacity: Readonly<Record<"memberships" | "maxMemberships" | "rooms" | "maxRooms", number>>;
}

/** A measured figure and, if there is one, the promise about it. */
export interface Finding {
  readonly what: string;
  readonly value: string;
  /** Whether the promise is kept; absent if the figure is only for information. */
  readonly isKept?: boolean;
  /** Whether the promise is about time, which a busy machine may break. */
  readonly isTimed?: boolean;
}

/** What an attack has started for a gateway. */
export interface Preparation {
  /** Environment variables of the gateway in addition to its limits. */
  readonly env: Readonly<Record<string, string>>;
  /** The query of uninvolved clients. */
  readonly query: string;
  close(): void;
}

/** An attack on one gateway. */
export interface Attack {
  readonly name: string;
  readonly title: string;
  /** Environment variables of the gateway in addition to its limits. */
  env?(scale: Scale): Readonly<Record<string, string>>;
  /** Starts the servers that the gateway needs for the attack. Called before the gateway is started. */
  prepare?(scale: Scale): Promise<Preparation>;
  run(scene: Scene): Promise<readonly Finding[]>;
}

/** Maximum latency of uninvolved clients, in milliseconds. */
const PATIENCE_MS = 100;

/** The figures of uninvolved clients as findings. */
export function bystanderFindings(figures: SceneFigures): Finding[] {
  const { pings, p50Ms, p99Ms, maxMs, refusals, ownDelayMs, gatewayDelayMs, gatewayCore } = figures;
  const refused = Object.entries(refusals).map(([code, count]) => `${count} ${code}`);
  return [
    { what: `pings of others: ${pings}, p50`, value: `${p50Ms.toFixed(1)} ms` },
    { what: "pings of others, p99", value: `${p99Ms.toFixed(1)} ms`, isKept: p99Ms < PATIENCE_MS, isTimed: true },
    { what: "pings of others, longest", value: `${maxMs.toFixed(1)} ms` },
    { what: "event loop of the gateway, longest delay", value: `${gatewayDelayMs.toFixed(1)} ms` },
    { what: "gateway on a core, waiting for one", value: coreText(gatewayCore) },
    { what: "event loop of the others, longest delay", value: `${ownDelayMs.toFixed(1)} ms` },
    { what: "refusals of others", value: refused.join(", ") || "none", isKept: refused.length === 0 },
  ];
}

/** Returns the finding about the longest wait of uninvolved clients, which must be below {@link PATIENCE_MS}. */
export function longestWaitFinding({ longestWaitMs, longestWaitOf }: SceneFigures): Finding {
  return {
    what: "any request of others, longest wait",
    value: `${longestWaitMs.toFixed(1)} ms (${longestWaitOf})`,
    isKept: longestWaitMs < PATIENCE_MS,
    isTimed: true,
  };
}

/**
 * Formats the time on a core, the time spent waiting for one, and the longest wait. If the longest wait is near
 * the longest delay of the event loop, the machine was busy, not the gateway.
 */
export function coreText(core: CoreFigures | undefined): string {
  if (core === undefined) return "unknown";
  const { ranMs, waitedMs, longestWaitMs } = core;
  return `${(ranMs / 1000).toFixed(1)} s, ${(waitedMs / 1000).toFixed(1)} s (${longestWaitMs.toFixed(0)} ms at once)`;
}

/** The value of a sample without labels in the gateway's metrics. */
async function metricOf(gateway: GatewayProcess, name: string): Promise<number> {
  const port = gateway.logs.find(({ adminPort }) => adminPort !== undefined)?.adminPort;
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const value = new RegExp(`^${name} (\\S+)$`, "m").exec(metrics)?.[1];
  if (value === undefined) throw new Error(`The gateway's metrics do not contain ${name}.`);
  return Number(value);
}

/**
 * The longest delay of the gateway's event loop since the last call, in milliseconds; `NaN` if the gateway has
 * ended.
 */
async function longestDelayMs(gateway: GatewayProcess): Promise<number> {
  return gateway.running ? (await metricOf(gateway, "nodejs_eventloop_lag_max_seconds")) * 1000 : Number.NaN;
}

/**
 * Runs an attack on a gateway that was started with {@link OBSERVED}, and ends its crowds. `query` is the query of
 * uninvolved clients.
 */
export async function runAttack(
  attack: Attack,
  gateway: GatewayProcess,
  scale: Scale,
  query = "",
): Promise<readonly Finding[]> {
  const crowds: Crowd[] = [];
  const clientUrl = query === "" ? gateway.wsUrl : `${gateway.wsUrl}?${query}`;
  try {
    return await attack.run({
      gateway,
      clientUrl,
      scale,
      crowd: () => {
        const crowd = new Crowd();
        crowds.push(crowd);
        return crowd;
      },
      bystanders: async (during, { beforehand, ...options } = {}) => {
        const bystanders = await patiently(() => Bystanders.open(clientUrl));
        await beforehand?.();
        // Each scrape restarts the measurement.
        await longestDelayMs(gateway);
        const core = new CoreWait(gateway.pid);
        core.start();
        bystanders.start(options);
        await during();
        const figures = await bystanders.stop();
        const gatewayCore = core.stop();
        return { ...figures, gatewayCore, gatewayDelayMs: await longestDelayMs(gateway) };
      },
      metric: (name) => metricOf(gateway, name),
      memoryMiB: async () => (await gateway.usage()).rssBytes / 2 ** 20,
      stats: async () => (await (await fetch(`${gateway.url}/stats`)).json()) as Stats, // The gateway's own reply.
    });
  } finally {
    await Promise.all(crowds.map((crowd) => crowd.end()));
  }
}
