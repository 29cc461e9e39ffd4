import type { TestProject } from "vitest/node";
import "./provided-context.js";
import { type RedisCluster, startRedisCluster } from "./topologies/redis-cluster.js";
import { type RedisServer, startRedis } from "./topologies/redis-server.js";

/**
 * Starts one single Redis and one Cluster of three masters for a whole test run. Tests read their URLs with
 * `inject("redisUrl")` and `inject("redisClusterUrl")`, and use different prefixes to stay independent of
 * each other.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const [single, cluster] = await Promise.allSettled([startRedis(), startRedisCluster()]);
  const started: (RedisServer | RedisCluster)[] = [];
  for (const result of [single, cluster]) if (result.status === "fulfilled") started.push(result.value);
  const close = async (): Promise<void> => {
    await Promise.all(started.map((server) => server.close()));
  };
  if (single.status === "rejected" || cluster.status === "rejected") {
    await close();
    throw single.status === "rejected" ? single.reason : cluster.status === "rejected" ? cluster.reason : undefined;
  }
  project.provide("redisUrl", single.value.url);
  project.provide("redisClusterUrl", cluster.value.url);
  console.log(
    `Redis for tests, by way of ${single.value.launcher}: ${single.value.port}, Cluster ${cluster.value.ports.join(" ")}`,
  );
  return close;
}
