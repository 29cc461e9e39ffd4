import type { ClusterOptions, RedisOptions } from "ioredis";
import { replyCode } from "../errors/store-error.js";

const RETRY_MAX_MS = 1_000;

/**
 * Time after which a Cluster's command is sent again that a node redirected or could not take, in milliseconds. It is
 * short, because a command waits that long for each slot that has moved.
 */
const RETRY_DELAY_MS = 50;

/**
 * Returns the options of the store's own connections. With them, the client queues nothing and sends nothing
 * twice, and pending commands fail as soon as the connection breaks or receives nothing for `commandTimeoutMs`.
 */
export function nodeOptions(commandTimeoutMs: number, role: "commands" | "subscriber"): RedisOptions {
  return {
    lazyConnect: true,
    readOnly: false,
    enableOfflineQueue: false,
    enableReadyCheck: true,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    enableAutoPipelining: false,
    maxRetriesPerRequest: 0,
    connectTimeout: commandTimeoutMs,
    socketTimeout: commandTimeoutMs,
    disconnectTimeout: Math.min(500, commandTimeoutMs),
    retryStrategy,
    // After a failover, the old master continues as a replica: reconnect to find the new master.
    reconnectOnError: (error) => (replyCode(error) === "READONLY" ? 1 : false),
    failoverDetector: true,
    // A Sentinel that hangs must not keep the client from asking the others.
    sentinelCommandTimeout: commandTimeoutMs,
    connectionName: `cm:${role}`,
  };
}

/** Like {@link nodeOptions}, for a Cluster client, which reconnects to its nodes by itself. */
export function clusterOptions(given: ClusterOptions, commandTimeoutMs: number): ClusterOptions {
  const {
    lazyConnect: _,
    retryStrategy: clusterRetryStrategy,
    readOnly: _readOnly,
    enableOfflineQueue: _queue,
    failoverDetector: _detector,
    ...forNodes
  } = nodeOptions(commandTimeoutMs, "commands");
  return {
    slotsRefreshInterval: 5_000,
    slotsRefreshTimeout: Math.min(1_000, commandTimeoutMs),
    // While a master fails over, or nodes disagree about a slot, a command is sent again for as long as its caller
    // waits. All delays are equal, because all repetitions of a command count against this maximum.
    maxRedirections: Math.max(16, Math.ceil(commandTimeoutMs / RETRY_DELAY_MS)),
    retryDelayOnMoved: RETRY_DELAY_MS,
    retryDelayOnFailover: RETRY_DELAY_MS,
    retryDelayOnClusterDown: RETRY_DELAY_MS,
    retryDelayOnTryAgain: RETRY_DELAY_MS,
    ...given,
    lazyConnect: true,
    enableOfflineQueue: false,
    enableAutoPipelining: false,
    shardedSubscribers: false,
    scaleReads: "master",
    clusterRetryStrategy: clusterRetryStrategy ?? retryStrategy,
    redisOptions: { ...given.redisOptions, ...forNodes },
  };
}

function retryStrategy(times: number): number {
  return Math.min(50 * 2 ** Math.min(times - 1, 10), RETRY_MAX_MS) + Math.floor(Math.random() * 100);
}
