import { freshPrefix, keysLeftUnder } from "@cm/test-kit";
import { inject } from "vitest";
import { CmSocket } from "../clients/cm-socket.js";
import { type GatewayProcess, startGatewayProcess } from "./gateway-process.js";

/** Gateways that share one Redis and a key prefix that no other test uses. */
export interface GatewayCluster {
  readonly gateways: readonly GatewayProcess[];
  readonly wsUrls: readonly string[];
  readonly redisUrl: string;
  readonly prefix: string;
  /** Connects a user to the gateway with this index. */
  connect(index: number, user: string): Promise<CmSocket>;
  /** The cluster's keys in Redis, except those that are kept for a while after all clients have left. */
  keys(): Promise<string[]>;
  /** The gateway's counters. */
  stats(index: number): Promise<Record<string, number>>;
  /** Ends the gateways that are still running. */
  close(): Promise<void>;
}

/** Starts gateways that share a real Redis. */
export async function startGatewayCluster(options: {
  readonly size: number;
  /** The Redis to use: one of those that all tests share, or the URL of a separate one. Default `single`. */
  readonly redis?: "single" | "cluster" | { readonly url: string };
  /** The Redis URL for the gateway with this index. Default: the URL of `redis`. */
  readonly redisUrlOf?: (index: number) => string;
  readonly env?: Readonly<Record<string, string>>;
  /** Additional environment variables for the gateway with this index. */
  readonly envOf?: (index: number) => Readonly<Record<string, string>>;
}): Promise<GatewayCluster> {
  const { redis = "single" } = options;
  const redisUrl = typeof redis === "string" ? inject(redis === "cluster" ? "redisClusterUrl" : "redisUrl") : redis.url;
  const prefix = freshPrefix();
  const gateways = await Promise.all(
    Array.from({ length: options.size }, (_, i) =>
      startGatewayProcess({
        env: {
          REDIS_URL: options.redisUrlOf?.(i) ?? redisUrl,
          REDIS_PREFIX: prefix,
          SERVER_ID: `gw${i + 1}`,
          ...options.env,
          ...options.envOf?.(i),
        },
      }),
    ),
  );
  const gateway = (index: number): GatewayProcess => {
    const found = gateways[index];
    if (found === undefined) throw new Error(`There is no gateway ${index}.`);
    return found;
  };
  return {
    gateways,
    wsUrls: gateways.map(({ wsUrl }) => wsUrl),
    redisUrl,
    prefix,
    connect: (index, user) => CmSocket.open(gateway(index).wsUrl, user),
    keys: () => keysLeftUnder(redisUrl, prefix),
    stats: async (index) => (await (await fetch(`${gateway(index).url}/stats`)).json()) as Record<string, number>, // The gateway's own reply.
    close: async () => {
      await Promise.all(gateways.map((each) => each.stop()));
    },
  };
}
