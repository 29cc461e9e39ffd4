export type { RedisClients, RedisClusterOptions, RedisStoreOptions } from "./options.js";
export type { RedisStore } from "./redis-store.js";
export { createRedisStore } from "./redis-store.js";
