import type { GatewayProcess } from "@cm/gateway-kit/processes/gateway-process";
import type { BystanderFigures } from "./bystanders.js";
import { Bystanders } from "./bystanders.js";
import { Crowd } from "./crowd.js";

/** How large and how long. */
export interface Scale {
  /** 1 for the figures that are promised, less for a quick look; limits that crowds are to meet shrink with it. */
  readonly size: number;
  readonly seconds: number;
}

/** What an attack is given. */
export interface Scene {
  readonly gateway: GatewayProcess;
  readonly scale: Scale;
  /** A process for connections; it is ended with the scene. */
  crowd(): Crowd;
  /** What uninvolved clients meet while something goes on. */
  bystanders(during: () => Promise<void>): Promise<BystanderFigures>;
  /** Resident memory of the gateway, in MiB. */
  memoryMiB(): Promise<number>;
  /** The gateway's counters. */
  stats(): Promise<Stats>;
}

/** What is read of `/stats`. */
export interface Stats {
  readonly connections: number;
  readonly pendingRemovals: number;
  readonly transport: {
    readonly connections: number;
    readonly memberships: number;
    readonly bytesWaiting: number;
    readonly slowConsumersClosed: number;
  };
  readonly limits: Readonly<Record<string, number>>;
}

/** A promise about a figure. */
export interface Finding {
  readonly what: string;
  readonly value: string;
  /** Whether the promise is kept; absent where the figure is for information. */
  readonly isKept?: boolean;
  /** Whether the promise is about time, which a busy machine may break. */
  readonly isTimed?: boolean;
}

/** An attack, carried out on one gateway. */
export interface Attack {
  readonly name: string;
  readonly title: string;
  /** What the gateway is given beside its limits. */
  env?(scale: Scale): Readonly<Record<string, string>>;
  run(scene: Scene): Promise<readonly Finding[]>;
}

/** The bound on what uninvolved clients wait, in milliseconds. */
const PATIENCE_MS = 100;

/** What uninvolved clients met, as findings. */
export function bystanderFindings({ pings, p50Ms, p99Ms, maxMs, refusals }: BystanderFigures): Finding[] {
  const refused = Object.entries(refusals).map(([code, count]) => `${count} ${code}`);
  return [
    { what: `pings of others: ${pings}, p50`, value: `${p50Ms.toFixed(1)} ms` },
    { what: "pings of others, p99", value: `${p99Ms.toFixed(1)} ms`, isKept: p99Ms < PATIENCE_MS, isTimed: true },
    { what: "pings of others, longest", value: `${maxMs.toFixed(1)} ms` },
    { what: "refusals of others", value: refused.join(", ") || "none", isKept: refused.length === 0 },
  ];
}

/** Runs an attack on a gateway and clears up. */
export async function runAttack(attack: Attack, gateway: GatewayProcess, scale: Scale): Promise<readonly Finding[]> {
  const crowds: Crowd[] = [];
  try {
    return await attack.run({
      gateway,
      scale,
      crowd: () => {
        const crowd = new Crowd();
        crowds.push(crowd);
        return crowd;
      },
      bystanders: async (during) => {
        const bystanders = await Bystanders.open(gateway.wsUrl);
        bystanders.start();
        await during();
        return bystanders.stop();
      },
      memoryMiB: async () => (await gateway.usage()).rssBytes / 2 ** 20,
      stats: async () => (await (await fetch(`${gateway.url}/stats`)).json()) as Stats, // The gateway's own reply.
    });
  } finally {
    await Promise.all(crowds.map((crowd) => crowd.end()));
  }
}
