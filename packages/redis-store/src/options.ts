import type { OnError } from "@cm/protocol";
import {
  optionInvalid,
  requireDurationMs,
  requireFunction,
  requireOptions,
  requirePrefix,
  requireWholeNumber,
} from "@cm/protocol/options";
import type { Cluster, ClusterNode, ClusterOptions, Redis, RedisOptions } from "ioredis";
import { parseConnectionUrl, type TlsFiles } from "./address/connection-url.js";

/** A Cluster: some of its nodes, and what else ioredis may be told. */
export interface RedisClusterOptions {
  /** Some or all of the Cluster's nodes; the others are found through them. */
  readonly nodes: readonly ClusterNode[];
  /** Options of ioredis for a Cluster. */
  readonly options?: ClusterOptions | undefined;
}

/**
 * Clients that the application made. The store never quits them; how they connect and
 * retry is their owner's choice. One that stays silent is made to reconnect, so don't
 * block it with commands of your own. In a Cluster the store opens one subscriber of its
 * own for each master, with the options of the nodes in `commands`.
 */
export type RedisClients =
  | { readonly commands: Redis; readonly subscriber: Redis }
  | { readonly commands: Cluster; readonly subscriber?: never };

/** What {@link createRedisStore} takes: exactly one of `url`, `node`, `sentinel`, `cluster` and `clients`. */
export interface RedisStoreOptions {
  /**
   * `redis://[user:password@]host[:port][/db]`,
   * `redis+cluster://[user:password@]host[:port],host[:port],...` or
   * `redis+sentinel://[user:password@]host[:port],.../[db]?master=name`;
   * `rediss` in the place of `redis` for TLS. Parameters behind the `?`: `ca`, `cert`, `key` and
   * `servername` of TLS, `sentinelUsername` and `sentinelPassword`, `natMap` of a Cluster; see
   * `parseConnectionUrl`. Files are read by `start`.
   */
  readonly url?: string | undefined;
  /** One Redis: options of ioredis, such as `{ host, port, username, password, tls }`. */
  readonly node?: RedisOptions | undefined;
  /** A master found through Sentinels: options of ioredis with `sentinels` and `name`. */
  readonly sentinel?: RedisOptions | undefined;
  /** A Cluster: some of its nodes, with options of ioredis. */
  readonly cluster?: RedisClusterOptions | undefined;
  /** Clients of the application's own, which are not closed here. */
  readonly clients?: RedisClients | undefined;
  /** In front of every key and channel: 1 to 64 of `A-Z a-z 0-9 : _ -`. Default `cm`. */
  readonly prefix?: string | undefined;
  /**
   * Partitions that rooms and users are spread over, 1 to 16,384. Written down in Redis by
   * the first store that starts; one with another number refuses to. More than a Cluster
   * will ever have masters. Default 256.
   */
  readonly partitions?: number | undefined;
  /**
   * Time to live of connections, rooms and users that are not renewed, in milliseconds: a
   * safety net under the clean-up. 1,000 or more. Default 3,600,000 (an hour).
   */
  readonly connectionTtlMs?: number | undefined;
  /**
   * How long it is remembered when a user who is offline was last online, in
   * milliseconds. 0: not at all. Default 86,400,000 (a day).
   */
  readonly lastSeenTtlMs?: number | undefined;
  /**
   * Time to live of a room's record without activity, in milliseconds, 1,000 or more.
   * Default 7,200,000 (2 h).
   */
  readonly roomRecordTtlMs?: number | undefined;
  /** The most messages that are kept of a room with recoverable messages, 1 to 100,000. Default 1,000. */
  readonly historyMaxMessages?: number | undefined;
  /**
   * How long they are kept after the latest of them, in milliseconds, 1,000 or more.
   * Default 300,000 (5 min).
   */
  readonly historyTtlMs?: number | undefined;
  /** The longest that one operation waits for Redis, in milliseconds, 50 to 60,000. Default 2,000. */
  readonly commandTimeoutMs?: number | undefined;
  /**
   * The most commands that wait for Redis or for a connection to it, 100 to 1,000,000;
   * further ones fail at once with `unavailable`. At most some 20 MB; the default lets
   * 10,000 connections arrive at once, with two commands each. Default 25,000.
   */
  readonly maxPendingCommands?: number | undefined;
  /**
   * How often it is proven that what is published comes through, in milliseconds, 50 to
   * 60,000: two small messages each time, and how soon a link that hangs is noticed. One
   * a second costs Redis nothing, even with a hundred servers. Default 1,000.
   */
  readonly probeIntervalMs?: number | undefined;
  /**
   * The longest that a published message may take to come through, in milliseconds, 100
   * to 600,000, and not less than `probeIntervalMs`. A subscriber that is silent for
   * longer is replaced, one that is silent for half of it makes the link `degraded`. More
   * than Redis ever stands still for: a replaced subscriber misses what is sent while the
   * new one is made. Default 3,000.
   */
  readonly probeTimeoutMs?: number | undefined;
  /** The longest that `start` tries to connect, in milliseconds, 50 to 600,000. Default 10,000. */
  readonly startTimeoutMs?: number | undefined;
  /** Takes failures of the link and of bus handlers. Default: a process warning each. */
  readonly onError?: OnError | undefined;
}

/** How to reach Redis. */
export type RedisConnection =
  | { readonly kind: "redis"; readonly options: RedisOptions; readonly tlsFiles?: TlsFiles }
  | {
      readonly kind: "cluster";
      readonly nodes: ClusterNode[];
      readonly options: ClusterOptions;
      readonly tlsFiles?: TlsFiles;
    }
  | { readonly kind: "clients"; readonly clients: RedisClients };

/** {@link RedisStoreOptions}, complete and checked. */
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
  probeIntervalMs: true,
  probeTimeoutMs: true,
  startTimeoutMs: true,
  onError: true,
};

/** Checks the options and fills in what is missing. Throws `options-invalid`. */
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
    probeIntervalMs,
    probeTimeoutMs,
    startTimeoutMs: requireDurationMs("startTimeoutMs", options.startTimeoutMs ?? 10_000, 50, 600_000),
    onError,
  };
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

/** The number of the database that keys are in; a Cluster has 0 only. */
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
  if (typeof commands?.call !== "function") throw optionInvalid("clients.commands", "a client of ioredis");
  if ("slots" in commands) {
    if (subscriber !== undefined) throw optionInvalid("clients.subscriber", "left out for a Cluster");
  } else if (typeof subscriber?.subscribe !== "function" || Object.is(subscriber, commands)) {
    throw optionInvalid("clients.subscriber", "another client of ioredis");
  }
  refuseKeyPrefix("clients.commands", commands.options.keyPrefix);
  refuseKeyPrefix("clients.subscriber", subscriber?.options.keyPrefix);
  return clients;
}

/** It would change keys but not what scripts and subscribers compare them with. */
function refuseKeyPrefix(field: string, keyPrefix: unknown): void {
  if (keyPrefix !== undefined && keyPrefix !== "") throw optionInvalid(`${field}.keyPrefix`, "left out; use prefix");
}
