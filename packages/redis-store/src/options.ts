import type { OnError } from "@cm/protocol";
import {
  optionInvalid,
  requireDurationMs,
  requireFunction,
  requireNotNull,
  requireOptions,
  requirePrefix,
  requireWholeNumber,
} from "@cm/protocol/options";
import type { Cluster, ClusterNode, ClusterOptions, Redis, RedisOptions } from "ioredis";
import { parseConnectionUrl, type TlsFiles } from "./address/connection-url.js";

/** A Cluster: some of its nodes, and further options of ioredis. */
export interface RedisClusterOptions {
  /** Some or all of the Cluster's nodes; the others are discovered through them. */
  readonly nodes: readonly ClusterNode[];
  /** Options of ioredis for a Cluster. */
  readonly options?: ClusterOptions | undefined;
}

/**
 * Clients that the application made. The store never closes them, and their options for connecting and
 * retrying apply. The store makes a client reconnect if nothing arrives over its connection, so do not block
 * it with commands of your own. In a Cluster, the store opens an additional subscriber for each master, with
 * the node options of `commands`.
 */
export type RedisClients =
  | { readonly commands: Redis; readonly subscriber: Redis }
  | { readonly commands: Cluster; readonly subscriber?: never };

/** The maximum time that a message to a busy room waits, in milliseconds, for all rooms or for each room. */
export type PublishWindowMs = number | ((room: string) => number);

/** Maximum of `publishWindowMs`, in milliseconds. */
const PUBLISH_WINDOW_MAX_MS = 100;

/**
 * Options of {@link createRedisStore}: exactly one of `url`, `node`, `sentinel`, `cluster` and `clients` is
 * required.
 */
export interface RedisStoreOptions {
  /**
   * URL of Redis: `redis://[user:password@]host[:port][/db]`,
   * `redis+cluster://[user:password@]host[:port],host[:port],...` or
   * `redis+sentinel://[user:password@]host[:port],.../[db]?master=name`; `rediss` instead of `redis` for TLS.
   * Parameters after the `?`: `ca`, `cert`, `key` and `servername` for TLS, `sentinelUsername` and
   * `sentinelPassword`, `natMap` for a Cluster; see `parseConnectionUrl`. The files are read by `start`.
   */
  readonly url?: string | undefined;
  /** A single Redis: options of ioredis, such as `{ host, port, username, password, tls }`. */
  readonly node?: RedisOptions | undefined;
  /** A master found through Sentinels: options of ioredis with `sentinels` and `name`. */
  readonly sentinel?: RedisOptions | undefined;
  /** A Cluster: some of its nodes, with options of ioredis. */
  readonly cluster?: RedisClusterOptions | undefined;
  /** Clients that the application made; the store does not close them. */
  readonly clients?: RedisClients | undefined;
  /** Prefix of every key and channel: 1 to 64 of `A-Z a-z 0-9 : _ -`. Default `cm`. */
  readonly prefix?: string | undefined;
  /**
   * Number of partitions that rooms and users are spread over, 1 to 16,384. The first store that starts saves
   * the number in Redis; a store with another number fails to start. Choose more than a Cluster will ever
   * have masters. Default 256.
   */
  readonly partitions?: number | undefined;
  /**
   * Time to live of connections, rooms and users that are not renewed, in milliseconds, 1,000 or more: a
   * safety net in case clean-up does not remove them. Default 3,600,000 (1 h).
   */
  readonly connectionTtlMs?: number | undefined;
  /**
   * How long the store remembers when an offline user was last online, in milliseconds; 0 disables this.
   * Default 86,400,000 (1 day).
   */
  readonly lastSeenTtlMs?: number | undefined;
  /**
   * Time to live of a room's record without activity, in milliseconds, 1,000 or more. Default 7,200,000
   * (2 h).
   */
  readonly roomRecordTtlMs?: number | undefined;
  /** Maximum number of messages kept per recoverable room, 1 to 100,000. Default 1,000. */
  readonly historyMaxMessages?: number | undefined;
  /**
   * How long a room's messages are kept, in milliseconds, 1,000 or more. Each new message removes up to two older
   * ones; without new messages, all are removed when the latest one is this old. Default 300,000 (5 min).
   */
  readonly historyTtlMs?: number | undefined;
  /** Maximum time that one operation waits for Redis, in milliseconds, 50 to 60,000. Default 2,000. */
  readonly commandTimeoutMs?: number | undefined;
  /**
   * Maximum number of commands that wait for Redis or for a connection to it, 100 to 1,000,000; further
   * commands fail at once with `unavailable`. The default takes at most about 20 MB and allows 10,000
   * connections to arrive at once, with two commands each. Default 25,000.
   */
  readonly maxPendingCommands?: number | undefined;
  /**
   * Maximum time that a message to a busy room waits for other messages, so that they share a write, in milliseconds, 0
   * to 100; 0: messages do not wait. Or a function that returns this time for a room, of which a result out of range
   * counts as 0; it must not throw. A room is busy if this process publishes 75 or more messages a second to it.
   * If too few others came in the latest windows, only one window a second is tried. Default 3.
   */
  readonly publishWindowMs?: PublishWindowMs | undefined;
  /**
   * Interval at which the store checks that published messages arrive, in milliseconds, 50 to 60,000. Each
   * check takes two small messages; the interval determines how soon a hanging link is detected. One check
   * per second is a negligible load for Redis, even with a hundred servers. Default 1,000.
   */
  readonly probeIntervalMs?: number | undefined;
  /**
   * Maximum time that a published message may take to arrive, in milliseconds, 100 to 600,000, and not less
   * than `probeIntervalMs`. A subscriber that is silent for longer is replaced; one that is silent for half
   * of this time makes the link `degraded`. Choose more than the longest time for which Redis may stop
   * responding: a replaced subscriber misses the messages sent while the new one is made. Default 3,000.
   */
  readonly probeTimeoutMs?: number | undefined;
  /** Maximum time that `start` tries to connect, in milliseconds, 50 to 600,000. Default 10,000. */
  readonly startTimeoutMs?: number | undefined;
  /**
   * Called with each failure of the link, of a bus handler or of a listener of the link. By default, each becomes a
   * process warning.
   */
  readonly onError?: OnError | undefined;
}

/** How to connect to Redis. */
export type RedisConnection =
  | { readonly kind: "redis"; readonly options: RedisOptions; readonly tlsFiles?: TlsFiles }
  | {
      readonly kind: "cluster";
      readonly nodes: ClusterNode[];
      readonly options: ClusterOptions;
      readonly tlsFiles?: TlsFiles;
    }
  | { readonly kind: "clients"; readonly clients: RedisClients };

/** {@link RedisStoreOptions} with defaults applied, validated. */
export interface ResolvedRedisStoreOptions {
  readonly connection: RedisConnection;
  readonly prefix: string;
  readonly partitions: number;
  readonly connectionTtlMs: number;
  readonly lastSeenTtlMs: number;
  readonly roomRecordTtlMs: number;
  readonly historyMaxMessages: number;
  readonly historyTtlMs: number;
  readonly commandTimeoutMs: number;
  readonly maxPendingCommands: number;
  readonly publishWindowMs: (room: string) => number;
  readonly probeIntervalMs: number;
  readonly probeTimeoutMs: number;
  readonly startTimeoutMs: number;
  readonly onError: OnError;
}

const WAYS = ["url", "node", "sentinel", "cluster", "clients"] as const;

const KNOWN: Readonly<Record<keyof RedisStoreOptions, true>> = {
  url: true,
  node: true,
  sentinel: true,
  cluster: true,
  clients: true,
  prefix: true,
  partitions: true,
  connectionTtlMs: true,
  lastSeenTtlMs: true,
  roomRecordTtlMs: true,
  historyMaxMessages: true,
  historyTtlMs: true,
  commandTimeoutMs: true,
  maxPendingCommands: true,
  publishWindowMs: true,
  probeIntervalMs: true,
  probeTimeoutMs: true,
  startTimeoutMs: true,
  onError: true,
};

/** Validates the options and applies defaults. Throws `options-invalid`. */
export function resolveRedisStoreOptions(given: RedisStoreOptions): ResolvedRedisStoreOptions {
  const options = requireOptions(given, KNOWN);
  const { prefix = "cm", onError = (error) => process.emitWarning(error) } = options;
  requireFunction("onError", onError);
  const probeIntervalMs = requireDurationMs("probeIntervalMs", options.probeIntervalMs ?? 1_000, 50, 60_000);
  const probeTimeoutMs = requireDurationMs("probeTimeoutMs", options.probeTimeoutMs ?? 3_000, 100, 600_000);
  if (probeTimeoutMs < probeIntervalMs) throw optionInvalid("probeTimeoutMs", "at least probeIntervalMs");
  return {
    connection: resolveConnection(options),
    prefix: requirePrefix("prefix", prefix),
    partitions: requireWholeNumber("partitions", options.partitions ?? 256, { min: 1, max: 16_384 }),
    connectionTtlMs: requireDurationMs("connectionTtlMs", options.connectionTtlMs ?? 3_600_000, 1_000, 2 ** 40),
    lastSeenTtlMs: requireDurationMs("lastSeenTtlMs", options.lastSeenTtlMs ?? 86_400_000, 0, 2 ** 40),
    roomRecordTtlMs: requireDurationMs("roomRecordTtlMs", options.roomRecordTtlMs ?? 7_200_000, 1_000, 2 ** 40),
    historyMaxMessages: requireWholeNumber("historyMaxMessages", options.historyMaxMessages ?? 1_000, {
      min: 1,
      max: 100_000,
    }),
    historyTtlMs: requireDurationMs("historyTtlMs", options.historyTtlMs ?? 300_000, 1_000, 2 ** 40),
    commandTimeoutMs: requireDurationMs("commandTimeoutMs", options.commandTimeoutMs ?? 2_000, 50, 60_000),
    maxPendingCommands: requireWholeNumber("maxPendingCommands", options.maxPendingCommands ?? 25_000, {
      min: 100,
      max: 1_000_000,
    }),
    publishWindowMs: resolvePublishWindow(options.publishWindowMs ?? 3),
    probeIntervalMs,
    probeTimeoutMs,
    startTimeoutMs: requireDurationMs("startTimeoutMs", options.startTimeoutMs ?? 10_000, 50, 600_000),
    onError,
  };
}

function resolvePublishWindow(given: PublishWindowMs): (room: string) => number {
  if (typeof given === "function") {
    return (room) => {
      const windowMs = given(room);
      return windowMs >= 0 && windowMs <= PUBLISH_WINDOW_MAX_MS ? windowMs : 0;
    };
  }
  const windowMs = requireDurationMs("publishWindowMs", given, 0, PUBLISH_WINDOW_MAX_MS);
  return () => windowMs;
}

function resolveConnection(options: RedisStoreOptions): RedisConnection {
  const ways = WAYS.filter((way) => options[way] !== undefined);
  if (ways.length !== 1)
    throw optionInvalid("url", `given, or one of node, sentinel, cluster and clients (given: ${ways.length})`);
  const { url, node, sentinel, cluster, clients } = options;
  if (url !== undefined) return fromUrl(url);
  if (clients !== undefined) return { kind: "clients", clients: checkClients(clients) };
  if (cluster !== undefined) {
    const { nodes, options: clusterOptions = {} } = cluster;
    requireNotNull("cluster.options", clusterOptions);
    if (!Array.isArray(nodes) || nodes.length === 0)
      throw optionInvalid("cluster.nodes", "a list of at least one node");
    refuseKeyPrefix("cluster.options", clusterOptions.keyPrefix ?? clusterOptions.redisOptions?.keyPrefix);
    return { kind: "cluster", nodes: [...nodes], options: clusterOptions };
  }
  if (sentinel !== undefined && (!Array.isArray(sentinel.sentinels) || sentinel.sentinels.length === 0)) {
    throw optionInvalid("sentinel.sentinels", "a list of at least one address");
  }
  if (sentinel !== undefined && !sentinel.name) throw optionInvalid("sentinel.name", "the master's name");
  const redisOptions = node ?? sentinel ?? {};
  refuseKeyPrefix(node === undefined ? "sentinel" : "node", redisOptions.keyPrefix);
  return { kind: "redis", options: redisOptions };
}

/** Index of the database that the keys are in; a Cluster has only database 0. */
export function databaseOf(connection: RedisConnection): number {
  switch (connection.kind) {
    case "redis":
      return connection.options.db ?? 0;
    case "cluster":
      return 0;
    case "clients": {
      const { commands } = connection.clients;
      return "slots" in commands ? 0 : (commands.options.db ?? 0);
    }
  }
}

function fromUrl(url: unknown): RedisConnection {
  if (typeof url !== "string") throw optionInvalid("url", "a string");
  const { kind, addresses, tls, username, password, db, tlsFiles, serverName, natMap, ...more } =
    parseConnectionUrl(url);
  const tlsOptions = serverName === undefined ? {} : { servername: serverName };
  const access: RedisOptions = {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls ? { tls: tlsOptions } : {}),
  };
  const files = Object.keys(tlsFiles).length === 0 ? {} : { tlsFiles };
  if (kind === "cluster") {
    const mapped = Object.keys(natMap).length === 0 ? {} : { natMap: { ...natMap } };
    return { kind, nodes: [...addresses], options: { ...mapped, redisOptions: access }, ...files };
  }
  if (kind === "node") return { kind: "redis", options: { ...addresses[0], ...access, db }, ...files };
  const { masterName, sentinelUsername, sentinelPassword } = more;
  const forSentinels: RedisOptions = {
    ...(tls ? { enableTLSForSentinelMode: true, sentinelTLS: tlsOptions } : {}),
    ...(sentinelUsername === undefined ? {} : { sentinelUsername }),
    ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
  };
  return {
    kind: "redis",
    options: { ...access, ...forSentinels, sentinels: [...addresses], name: masterName, db },
    ...files,
  };
}

function checkClients(clients: RedisClients): RedisClients {
  const { commands, subscriber } = clients;
  if (typeof commands?.call !== "function") throw optionInvalid("clients.commands", "an ioredis client");
  if ("slots" in commands) {
    if (subscriber !== undefined) throw optionInvalid("clients.subscriber", "omitted for a Cluster");
  } else if (typeof subscriber?.subscribe !== "function" || Object.is(subscriber, commands)) {
    throw optionInvalid("clients.subscriber", "another ioredis client");
  }
  refuseKeyPrefix("clients.commands", commands.options.keyPrefix);
  refuseKeyPrefix("clients.subscriber", subscriber?.options.keyPrefix);
  return clients;
}

/**
 * Rejects ioredis's `keyPrefix`: it would change keys, but not the names that scripts and subscribers compare
 * them with.
 */
function refuseKeyPrefix(field: string, keyPrefix: unknown): void {
  if (keyPrefix !== undefined && keyPrefix !== "") throw optionInvalid(`${field}.keyPrefix`, "left out; use prefix");
}
