import { eventually, type FaultProxy, type ProcessUsage, startFaultProxy } from "@cm/test-kit";
import { onTestFinished } from "vitest";
import { type GatewayCluster, startGatewayCluster } from "./gateway-cluster.js";

/** Options of {@link startFaultCluster}. */
export interface FaultClusterOptions {
  /** The Redis, Sentinels or Cluster to use, which no other test may use. */
  readonly redis: { readonly url: string };
  /** Number of gateways. Default 2. */
  readonly size?: number;
  /**
   * Puts a proxy between each gateway and its Redis. Only possible with a single Redis: each node of a Cluster
   * or behind Sentinels announces one address to all clients. A proxy can therefore be put in front of a node,
   * which the fixtures of Cluster and Sentinel offer, but not between one gateway and all nodes.
   */
  readonly proxied?: boolean;
  /** Time between heartbeats, in milliseconds. Default 1,000. */
  readonly heartbeatIntervalMs?: number;
  /** Duration of the leases, in seconds. Default 3. */
  readonly leaseTtlSeconds?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Additional environment variables for the gateway with this index. */
  readonly envOf?: (index: number) => Readonly<Record<string, string>>;
}

/** Gateways for tests that inject faults. */
export interface FaultCluster extends GatewayCluster {
  readonly heartbeatIntervalMs: number;
  readonly leaseTtlMs: number;
  /** The proxy of each gateway; empty if none were requested. */
  readonly proxies: readonly FaultProxy[];
  /** Resource usage of each gateway before any client connected, by process id. */
  readonly usageAtStart: ReadonlyMap<number, ProcessUsage>;
  /** The status of the gateway's `/readyz` response. */
  readiness(index: number): Promise<number>;
  /** Resolves when every running gateway reports that it is ready. */
  untilReady(timeoutMs?: number): Promise<void>;
}

/**
 * Starts gateways with heartbeats that are fast enough for a test. The gateways and their proxies end with the
 * test.
 */
export async function startFaultCluster(options: FaultClusterOptions): Promise<FaultCluster> {
  const { redis, size = 2, proxied = false, heartbeatIntervalMs = 1_000, leaseTtlSeconds = 3, env, envOf } = options;
  const proxies: FaultProxy[] = [];
  if (proxied) {
    const { protocol, port } = new URL(redis.url);
    if (protocol !== "redis:") throw new Error("Only a single Redis can have a proxy for each gateway.");
    for (let i = 0; i < size; i++) {
      const proxy = await startFaultProxy(Number(port));
      onTestFinished(() => proxy.close());
      proxies.push(proxy);
    }
  }
  const cluster = await startGatewayCluster({
    size,
    redis,
    redisUrlOf: (index) => (proxies[index] === undefined ? redis.url : `redis://127.0.0.1:${proxies[index].port}`),
    env: {
      HEARTBEAT_INTERVAL_MS: String(heartbeatIntervalMs),
      HEARTBEAT_TTL_SECONDS: String(leaseTtlSeconds),
      SHUTDOWN_TIMEOUT_MS: "3000",
      ...env,
    },
    ...(envOf === undefined ? {} : { envOf }),
  });
  onTestFinished(async () => {
    // Kill the gateways, because the test may have left them in any state.
    await Promise.all(cluster.gateways.map((gateway) => gateway.kill()));
  });
  const usages = cluster.gateways.map(async (gateway) => [gateway.pid, await gateway.usage()] as const);
  const usageAtStart = new Map(await Promise.all(usages));
  const readiness = async (index: number): Promise<number> => {
    const gateway = cluster.gateways[index];
    return (await fetch(`${gateway?.url}/readyz`)).status;
  };
  return {
    ...cluster,
    heartbeatIntervalMs,
    leaseTtlMs: leaseTtlSeconds * 1_000,
    proxies,
    usageAtStart,
    readiness,
    untilReady: (timeoutMs = 10_000) =>
      eventually(
        async () => {
          for (const [index, gateway] of cluster.gateways.entries()) {
            if (!gateway.running) continue;
            const answer = await fetch(`${gateway.url}/readyz`);
            if (answer.status !== 200) throw new Error(`Gateway ${index} is not ready: ${await answer.text()}`);
          }
        },
        { timeoutMs },
      ),
  };
}
