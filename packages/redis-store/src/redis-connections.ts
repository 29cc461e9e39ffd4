import { CmError, isCmError } from "@cm/protocol";
import { Cluster, type ClusterNode, type ClusterOptions, Redis, type RedisOptions } from "ioredis";
import { clusterOptions, nodeOptions } from "./client-options.js";
import { ClusterNodes } from "./cluster-nodes.js";
import { createClusterSubscribers } from "./cluster-subscribers.js";
import { Commands } from "./commands.js";
import { keepConnected } from "./kept-connection.js";
import type { ResolvedRedisStoreOptions } from "./options.js";
import { createClusterPublisher, createSinglePublisher, type Publisher } from "./publisher.js";
import { shareWrite } from "./shared-write.js";
import { replyCode, storeClosed, toStoreError } from "./store-error.js";
import { createSingleSubscriber, type Subscribers, type SubscribersOptions } from "./subscribers.js";

/** All connections of one store. */
export interface RedisConnections {
  /** Whether commands can be sent. */
  readonly ready: boolean;
  readonly commands: Commands;
  readonly publisher: Publisher;
  readonly subscribers: Subscribers;
  /** Takes down what was set up here. Clients of the application stay as they are. */
  close(): Promise<void>;
}

/** What the store hears from its connections. */
export type RedisEvents = SubscribersOptions["events"];

/**
 * Connects; resolves when commands and subscriptions work, else rejects with
 * `unavailable`, with `options-invalid` where Redis lacks the database, or with `closed`
 * where it was told to stop.
 */
export async function connectRedis(
  options: ResolvedRedisStoreOptions,
  events: RedisEvents,
  signal: AbortSignal,
): Promise<RedisConnections> {
  const { connections, clients, warmUp } = setUp(options, events);
  try {
    await Promise.all(clients.map((client) => untilReady(client, options.startTimeoutMs, signal)));
    await warmUp?.();
    return connections;
  } catch (error) {
    await connections.close();
    throw error;
  }
}

interface SetUp {
  readonly connections: RedisConnections;
  /** All that must be ready. */
  readonly clients: readonly (Redis | Cluster)[];
  /** What is left to do, or to make sure of, once they are. */
  readonly warmUp?: () => Promise<void>;
}

function setUp(options: ResolvedRedisStoreOptions, events: RedisEvents): SetUp {
  const { connection, commandTimeoutMs } = options;
  if (connection.kind === "clients") {
    const { commands, subscriber } = connection.clients;
    return subscriber === undefined
      ? overCluster(commands, false, commandTimeoutMs, events)
      : overNode(commands, subscriber, undefined, commandTimeoutMs, events);
  }
  if (connection.kind === "cluster") {
    const cluster = createCluster(connection.nodes, clusterOptions(connection.options, commandTimeoutMs));
    return overCluster(cluster, true, commandTimeoutMs, events);
  }
  const commands = createRedis({ ...connection.options, ...nodeOptions(commandTimeoutMs, "commands") });
  const subscriber = createRedis({ ...connection.options, ...nodeOptions(commandTimeoutMs, "subscriber") });
  return overNode(commands, subscriber, { db: connection.options.db ?? 0 }, commandTimeoutMs, events);
}

function overNode(
  client: Redis,
  subscriber: Redis,
  owned: { readonly db: number } | undefined,
  commandTimeoutMs: number,
  events: RedisEvents,
): SetUp {
  const timed = owned === undefined;
  const commands = new Commands({ client, beforeSend: () => shareWrite(client), commandTimeoutMs, timed });
  const pingIntervalMs = pingIntervalOf(commandTimeoutMs);
  const subscribers = createSingleSubscriber(subscriber, { pingIntervalMs, events });
  const unwatch = watch(client, events);
  const letGo = owned === undefined ? [] : [client, subscriber].map(keepConnected);
  const pings = setInterval(() => {
    // No answer in time makes the client drop the connection, and that is reported by itself.
    if (client.status === "ready") client.ping().catch(() => undefined);
  }, pingIntervalMs);
  pings.unref();
  const connections: RedisConnections = {
    get ready() {
      return client.status === "ready";
    },
    commands,
    publisher: createSinglePublisher(commands),
    subscribers,
    async close() {
      clearInterval(pings);
      commands.close();
      for (const stop of letGo) stop();
      if (owned !== undefined) for (const each of [client, subscriber]) disconnect(each);
      await subscribers.close();
      unwatch();
    },
  };
  const clients = [client, subscriber];
  return owned === undefined || owned.db === 0
    ? { connections, clients }
    : { connections, clients, warmUp: () => requireDatabase(commands, owned.db) };
}

/** A client whose SELECT was refused calls itself ready, and would write to database 0. */
async function requireDatabase(commands: Commands, db: number): Promise<void> {
  try {
    await commands.send("select", [db]);
  } catch (error) {
    if (!isCmError(error) || replyCode(error.cause) !== "ERR") throw error;
    throw new CmError("options-invalid", `Redis has no database ${db}.`, {
      cause: error,
      details: { field: "db", db },
    });
  }
}

function overCluster(cluster: Cluster, owned: boolean, commandTimeoutMs: number, events: RedisEvents): SetUp {
  const nodes = new ClusterNodes(cluster);
  const commands = new Commands({
    client: cluster,
    beforeSend: () => nodes.shareWrites(),
    commandTimeoutMs,
    timed: true,
  });
  const subscribers = createClusterSubscribers({
    cluster,
    nodes,
    redisOptions: nodeOptions(commandTimeoutMs, "subscriber"),
    pingIntervalMs: pingIntervalOf(commandTimeoutMs),
    events,
  });
  const unwatch = watch(cluster, events);
  const connections: RedisConnections = {
    get ready() {
      return cluster.status === "ready";
    },
    commands,
    publisher: createClusterPublisher(nodes),
    subscribers,
    async close() {
      commands.close();
      nodes.close();
      await subscribers.close();
      if (owned) disconnect(cluster);
      unwatch();
    },
  };
  return { connections, clients: [cluster], warmUp: () => nodes.warmUp(commandTimeoutMs) };
}

function pingIntervalOf(commandTimeoutMs: number): number {
  return Math.max(500, commandTimeoutMs);
}

// Without `replyMapping`, which is the application's taste: this package reads replies in
// their plain shapes.
function createRedis({ replyMapping: _, ...options }: RedisOptions): Redis {
  return new Redis(options);
}

function createCluster(nodes: ClusterNode[], { redisOptions, ...options }: ClusterOptions): Cluster {
  const { replyMapping: _, ...forNodes } = redisOptions ?? {};
  return new Cluster(nodes, { ...options, redisOptions: forNodes });
}

function disconnect(client: Redis | Cluster): void {
  // What a connection has to say while it is taken down, nobody needs to know.
  client.on("error", () => undefined);
  client.disconnect();
}

/** Passes on what a client tells about itself; returns how to stop that. */
function watch(client: Redis | Cluster, events: RedisEvents): () => void {
  for (const event of CHANGES) client.on(event, events.changed);
  client.on("error", events.failed);
  return () => {
    for (const event of CHANGES) client.off(event, events.changed);
    client.off("error", events.failed);
  };
}

const CHANGES = ["ready", "close", "end", "reconnecting"] as const;

/** Resolves when the client is ready, however often it has to try; `unavailable` after the time. */
function untilReady(client: Redis | Cluster, timeoutMs: number, signal: AbortSignal): Promise<void> {
  if (client.status === "ready") return Promise.resolve();
  return new Promise((resolve, reject) => {
    let last: unknown;
    const keep = (error: unknown): void => {
      last = error;
    };
    const settle = (): void => {
      clearTimeout(timer);
      client.off("ready", onReady);
      client.off("error", keep);
      signal.removeEventListener("abort", onAbort);
    };
    const onAbort = (): void => {
      settle();
      reject(storeClosed());
    };
    const onReady = (): void => {
      settle();
      resolve();
    };
    const timer = setTimeout(() => {
      settle();
      reject(replyCode(last) === undefined ? unreachable(timeoutMs, last) : toStoreError(last));
    }, timeoutMs);
    client.on("ready", onReady);
    client.on("error", keep);
    signal.addEventListener("abort", onAbort);
    if (client.status === "wait") client.connect().catch(keep);
  });
}

function unreachable(timeoutMs: number, cause: unknown): CmError {
  return new CmError("unavailable", `Redis could not be reached within ${timeoutMs} ms.`, { cause });
}
