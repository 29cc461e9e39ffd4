import { askRedis } from "../redis/resp-connection.js";
import type { RedisServer } from "../redis/topologies/redis-server.js";

/** Ways in which a store under the prefix `cm` comes to know less than its servers do, by what happened to it. */
export const STORE_LOSSES: Readonly<Record<string, (redis: RedisServer) => Promise<unknown>>> = {
  "the store was flushed": ({ port }) => askRedis(port, "FLUSHALL"),
  // As if their time had run out: readers leave out what these servers own, until they acquire their leases again.
  "leases lapsed": async ({ port }) => {
    const holders = await askRedis(port, "ZRANGE", "cm:{servers}", "0", "-1");
    for (const holder of Array.isArray(holders) ? holders : []) {
      await askRedis(port, "ZADD", "cm:{servers}", "1", String(holder));
    }
  },
  "Redis restarted empty": (redis) => redis.restart(),
};
