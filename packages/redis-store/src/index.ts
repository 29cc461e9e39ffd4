export { parseConnectionUrl } from "./connection-url.js";
export { createRedisStore } from "./redis-store.js";

export type { Address, ConnectionUrl } from "./connection-url.js";
export type { RedisClients, RedisClusterOptions, RedisStoreOptions } from "./options.js";
export type { RedisStore } from "./redis-store.js";
