import { churn, settled } from "@cm/gateway-kit/invariants/churn";
import { type GatewayCluster, startGatewayCluster } from "@cm/gateway-kit/processes/cluster";
import { HEAP_REPORTS, heapBytes } from "@cm/gateway-kit/processes/heap-report";
import { expect, it, onTestFinished } from "vitest";

/** `npm run churn` sets this to a minute. */
const SECONDS = Number(process.env.CHURN_SECONDS ?? 0);
const CONNECTIONS = 3_000;
/** Connections until all code is compiled and every room and user has existed once. */
const WARM_UP_CONNECTIONS = 2_000;

/**
 * Maximum memory that may be left of each closed connection, in bytes. A connection that is not removed from
 * some map leaves at least its id, which takes more.
 */
const BYTES_A_CONNECTION = 64;
/** Variation of the heap size after a garbage collection, in bytes. */
const NOISE_BYTES = 768 * 1024;
/** Memory that allocators keep for later use, in bytes. */
const RSS_NOISE_BYTES = 48 * 1024 * 1024;

async function memory(cluster: GatewayCluster) {
  await settled(cluster);
  return Promise.all(
    cluster.gateways.map(async (gateway) => ({ heap: await heapBytes(gateway), usage: await gateway.usage() })),
  );
}

it(
  "keeps nothing of connections, rooms and requests that came and went",
  async () => {
    const cluster = await startGatewayCluster({
      size: 2,
      env: { ...HEAP_REPORTS, MAX_REQUESTS_PER_SECOND: "100000" },
    });
    onTestFinished(() => cluster.close());
    await churn(cluster, { connections: WARM_UP_CONNECTIONS });
    const before = await memory(cluster);
    const { connections, requests } = await churn(cluster, { connections: CONNECTIONS, seconds: SECONDS });
    const after = await memory(cluster);
    expect(connections).toBeGreaterThanOrEqual(CONNECTIONS);
    expect(requests).toBe(connections * 12);
    for (const [index, { heap, usage }] of after.entries()) {
      const earlier = before[index];
      const grown = heap - (earlier?.heap ?? 0);
      expect(grown).toBeLessThan(NOISE_BYTES + (BYTES_A_CONNECTION * connections) / cluster.gateways.length);
      expect(usage.rssBytes).toBeLessThan((earlier?.usage.rssBytes ?? 0) + RSS_NOISE_BYTES);
      expect(usage.openFiles).toBeLessThanOrEqual((earlier?.usage.openFiles ?? 0) + 1);
    }
  },
  (SECONDS + 90) * 1_000,
);
