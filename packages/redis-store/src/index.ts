export { parseConnectionUrl } from "./address/connection-url.js";
export { createRedisStore } from "./redis-store.js";

export type { Address, ConnectionUrl } from "./address/connection-url.js";
export type { PublishWindowMs, RedisClients, RedisClusterOptions, RedisStoreOptions } from "./options.js";
export type { RedisStore } from "./redis-store.js";
