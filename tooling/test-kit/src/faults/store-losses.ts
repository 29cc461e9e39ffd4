import { askRedis } from "../redis/resp-connection.js";
import type { RedisServer } from "../redis/topologies/redis-server.js";

/**
 * Functions that make a store with the prefix `cm` lose data that its servers still know, by a description of
 * the loss.
 */
export const STORE_LOSSES: Readonly<Record<string, (redis: RedisServer) => Promise<unknown>>> = {
  "the store was flushed": ({ port }) => askRedis(port, "FLUSHALL"),
  // Set the expiry of all leases to the past: readers ignore the data of these servers until the servers
  // acquire their leases again.
  "leases lapsed": async ({ port }) => {
    const holders = await askRedis(port, "ZRANGE", "cm:{servers}", "0", "-1");
    const expiries = Array.isArray(holders) ? holders.flatMap((holder) => ["1", String(holder)]) : [];
    await askRedis(port, "ZADD", "cm:{servers}", ...expiries);
  },
  "Redis restarted empty": (redis) => redis.restart(),
};
