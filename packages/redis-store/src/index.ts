export { parseConnectionUrl } from "./client/connection-url.js";
export { createRedisStore } from "./redis-store.js";

export type { Address, ConnectionUrl } from "./client/connection-url.js";
export type { RedisClients, RedisClusterOptions, RedisStoreOptions } from "./options.js";
export type { RedisStore } from "./redis-store.js";
