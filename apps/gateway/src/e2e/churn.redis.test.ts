import { churn, settled } from "@cm/gateway-kit/invariants/churn";
import { type GatewayCluster, startGatewayCluster } from "@cm/gateway-kit/processes/gateway-cluster";
import { HEAP_REPORTS, heapBytes } from "@cm/gateway-kit/processes/heap-report";
import type { ProcessUsage } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";

/** Minimum duration of a phase, in seconds; `npm run churn` sets the variable to 60. */
const SECONDS = Number(process.env.CHURN_SECONDS ?? 0);
const CONNECTIONS = 3_000;
/** Number of connections after which all code is compiled and every room and user has existed once. */
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

/** Maximum number of phases: a phase is repeated if memory has grown. */
const PHASES_MAX = 3;

interface Memory {
  readonly heap: number;
  readonly usage: ProcessUsage;
}

async function memory(cluster: GatewayCluster): Promise<Memory[]> {
  await settled(cluster);
  return Promise.all(
    cluster.gateways.map(async (gateway) => ({ heap: await heapBytes(gateway), usage: await gateway.usage() })),
  );
}

/** Describes the resources of a gateway that have grown by more than `connections` closed connections may leave. */
function grownFrom(before: Memory | undefined, { heap, usage }: Memory, connections: number): string[] {
  if (before === undefined) throw new Error("Each gateway is measured before as well.");
  const grown = {
    heap: heap - before.heap - (NOISE_BYTES + BYTES_A_CONNECTION * connections),
    rss: usage.rssBytes - before.usage.rssBytes - RSS_NOISE_BYTES,
    files: usage.openFiles - before.usage.openFiles - 1,
  };
  return Object.entries(grown).flatMap(([what, over]) => (over > 0 ? [`${what}: ${over} too much`] : []));
}

it(
  "releases the memory of connections, rooms and requests that have ended",
  async () => {
    const cluster = await startGatewayCluster({
      size: 2,
      env: { ...HEAP_REPORTS, MAX_REQUESTS_PER_SECOND: "100000" },
    });
    onTestFinished(() => cluster.close());
    await churn(cluster, { connections: WARM_UP_CONNECTIONS });
    // Run further phases if memory has grown: a leak grows in every phase. The memory of code that is compiled
    // or optimized during a phase, which is about as much, does not.
    let problems: string[] = [];
    let before = await memory(cluster);
    for (let phase = 0; phase < PHASES_MAX && (phase === 0 || problems.length > 0); phase++) {
      const { connections, requests } = await churn(cluster, { connections: CONNECTIONS, seconds: SECONDS });
      expect(connections).toBeGreaterThanOrEqual(CONNECTIONS);
      expect(requests).toBe(connections * 12);
      const after = await memory(cluster);
      problems = after.flatMap((now, index) => grownFrom(before[index], now, connections / cluster.gateways.length));
      before = after;
    }
    expect(problems).toEqual([]);
  },
  PHASES_MAX * (SECONDS + 90) * 1_000,
);
