import { eventually, type FaultProxy, type ProcessUsage, startFaultProxy } from "@cm/test-kit";
import { onTestFinished } from "vitest";
import { type GatewayCluster, startGatewayCluster } from "./cluster.js";

/** What {@link startFaultCluster} takes. */
export interface FaultClusterOptions {
  /** The Redis, Sentinels or Cluster of this test alone. */
  readonly redis: { readonly url: string };
  /** Number of gateways. Default 2. */
  readonly size?: number;
  /**
   * Puts a proxy between each gateway and its Redis. For a single Redis only: the nodes of a
   * Cluster and those behind Sentinels tell all clients one address each, so that a proxy can
   * stand in front of a node, as their own fixtures offer, but not in front of a gateway.
   */
  readonly proxied?: boolean;
  /** Default 1,000. */
  readonly heartbeatIntervalMs?: number;
  /** Default 3. */
  readonly leaseTtlSeconds?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** What gateway number `index` has beside that. */
  readonly envOf?: (index: number) => Readonly<Record<string, string>>;
}

/** Gateways that things are done to. */
export interface FaultCluster extends GatewayCluster {
  readonly heartbeatIntervalMs: number;
  readonly leaseTtlMs: number;
  /** Between each gateway and Redis; none where they were not asked for. */
  readonly proxies: readonly FaultProxy[];
  /** What each gateway used of its machine before any client connected, by process id. */
  readonly usageAtStart: ReadonlyMap<number, ProcessUsage>;
  /** The status that the gateway's `/readyz` answers with. */
  readiness(index: number): Promise<number>;
  /** Resolves when every gateway that runs says that it is ready. */
  untilReady(timeoutMs?: number): Promise<void>;
}

/** Starts gateways, heartbeats fast enough for a test; they and their proxies end with the test. */
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
    // Whatever state the test has left them in.
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
