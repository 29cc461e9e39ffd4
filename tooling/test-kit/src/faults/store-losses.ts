import { askRedis } from "../redis/resp-connection.js";
import type { RedisServer } from "../redis/topologies/redis-server.js";

/** Ways in which a store with the prefix `cm` loses data that its servers still know, by a description of the event. */
export const STORE_LOSSES: Readonly<Record<string, (redis: RedisServer) => Promise<unknown>>> = {
  "the store was flushed": ({ port }) => askRedis(port, "FLUSHALL"),
  // Sets the expiry of all leases to the past: readers ignore what these servers own until they acquire their
  // leases again.
  "leases lapsed": async ({ port }) => {
    const holders = await askRedis(port, "ZRANGE", "cm:{servers}", "0", "-1");
    for (const holder of Array.isArray(holders) ? holders : []) {
      await askRedis(port, "ZADD", "cm:{servers}", "1", String(holder));
    }
  },
  "Redis restarted empty": (redis) => redis.restart(),
};
