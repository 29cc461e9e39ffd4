import { CmError, isCmError } from "@cm/protocol";
import { Cluster, type ClusterNode, type ClusterOptions, Redis, type RedisOptions } from "ioredis";
import { reasonAtAddress } from "../address/tls-diagnosis.js";
import { withTlsFiles } from "../address/tls-files.js";
import { createClusterPublisher, createSinglePublisher, type Publisher } from "../bus/publisher.js";
import { PendingCommands } from "../commands/pending-commands.js";
import { Commands } from "../commands/redis-commands.js";
import { shareWrite } from "../commands/write-coalescing.js";
import { replyCode } from "../errors/store-error.js";
import { createClusterSubscribers } from "../link/cluster-subscribers.js";
import type { LinkCounters } from "../link/redis-link.js";
import { createSingleSubscriber, type Subscribers } from "../link/single-subscriber.js";
import type { ProbeSettings, SubscriberEvents, SubscriberState } from "../link/verified-subscriber.js";
import type { ResolvedRedisStoreOptions } from "../options.js";
import { disconnect } from "./client-disconnect.js";
import { clusterOptions, nodeOptions } from "./client-options.js";
import { ClusterMasters } from "./cluster-masters.js";
import { keepConnected } from "./sentinel-reconnect.js";
import { Changes, unlessAborted, untilReady } from "./startup-wait.js";

/** All connections of one store. */
export interface RedisConnections {
  readonly state: SubscriberState;
  readonly commands: Commands;
  readonly publisher: Publisher;
  readonly subscribers: Subscribers;
  /** Closes the connections made here. Clients passed in by the application stay connected. */
  close(): Promise<void>;
}

/** Events of the connections that the store handles. */
export interface RedisEvents extends SubscriberEvents {
  /** Redis holds data that this project did not write. */
  readonly corrupt: (error: CmError) => void;
}

/** Dependencies of the connections, in addition to the options. */
export interface RedisConnectionParts {
  readonly counters: LinkCounters;
  readonly events: RedisEvents;
  /** See `ProbeSettings`. */
  readonly probeChannel: (n: number) => string;
}

/**
 * Connects to Redis. Resolves once commands and subscriptions work. Otherwise rejects with `unavailable`, with
 * `options-invalid` if the database, TLS or Cluster setting is wrong, or with `closed` if `signal` was aborted.
 */
export async function connectRedis(
  options: ResolvedRedisStoreOptions,
  parts: RedisConnectionParts,
  signal: AbortSignal,
): Promise<RedisConnections> {
  const { events } = parts;
  const { startTimeoutMs } = options;
  const watched = new Changes(events);
  const connection = await unlessAborted(withTlsFiles(options.connection), signal);
  const { connections, clients, warmUp } = setUp(
    { ...options, connection },
    { ...parts, events: { ...events, ...watched.events } },
  );
  try {
    await Promise.all(clients.map((client) => untilReady(client, startTimeoutMs, signal)));
    if (warmUp !== undefined) await unlessAborted(warmUp(), signal);
    // If a part of a Cluster is down, start without it: the other parts work.
    const hears = (): boolean => connections.state === "in-sync" || connections.state === "degraded";
    await watched.until(hears, startTimeoutMs, signal);
    return connections;
  } catch (error) {
    await connections.close();
    const isUnreached = isCmError(error) && error.code === "unavailable" && replyCode(error.cause) === undefined;
    throw (isUnreached && !signal.aborted ? await reasonAtAddress(connection) : undefined) ?? error;
  }
}

interface SetUp {
  readonly connections: RedisConnections;
  /** All clients that must be ready. */
  readonly clients: readonly (Redis | Cluster)[];
  /** Called once the clients are ready: connects to all masters of a Cluster, or checks that the database exists. */
  readonly warmUp?: () => Promise<void>;
}

function setUp(options: ResolvedRedisStoreOptions, parts: RedisConnectionParts): SetUp {
  const { connection, commandTimeoutMs } = options;
  if (connection.kind === "clients") {
    const { commands, subscriber } = connection.clients;
    return subscriber === undefined
      ? overCluster(commands, false, options, parts)
      : overNode(commands, subscriber, undefined, options, parts);
  }
  if (connection.kind === "cluster") {
    const cluster = createCluster(connection.nodes, clusterOptions(connection.options, commandTimeoutMs));
    return overCluster(cluster, true, options, parts);
  }
  const commands = createRedis({ ...connection.options, ...nodeOptions(commandTimeoutMs, "commands") });
  const subscriber = createRedis({ ...connection.options, ...nodeOptions(commandTimeoutMs, "subscriber") });
  return overNode(commands, subscriber, { db: connection.options.db ?? 0 }, options, parts);
}

function overNode(
  client: Redis,
  subscriber: Redis,
  owned: { readonly db: number } | undefined,
  options: ResolvedRedisStoreOptions,
  parts: RedisConnectionParts,
): SetUp {
  const gate = gateOf(client, options, parts);
  const { counters, events } = parts;
  const beforeSend = (): void => shareWrite(client);
  const commands = new Commands({ client, gate, beforeSend, onCorrupt: events.corrupt });
  const publisher = createSinglePublisher(commands, client, gate);
  const probe = probeOf(publisher, options, parts);
  const replacePublisher = (): void => {
    if (client.status === "ready") client.disconnect(true);
  };
  const subscribers = createSingleSubscriber(subscriber, replacePublisher, { probe, counters, events });
  const unwatch = watch(client, gate, subscribers, parts);
  const letGo = owned === undefined ? [] : [client, subscriber].map(keepConnected);
  const connections: RedisConnections = {
    get state() {
      return gate.isOpen ? subscribers.state : "down";
    },
    commands,
    publisher,
    subscribers,
    async close() {
      gate.close();
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

/**
 * Rejects with `options-invalid` if Redis has no database with this index. A client whose SELECT was refused still
 * reports that it is ready, and would write to database 0.
 */
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

function overCluster(
  cluster: Cluster,
  owned: boolean,
  options: ResolvedRedisStoreOptions,
  parts: RedisConnectionParts,
): SetUp {
  const { commandTimeoutMs } = options;
  const { counters, events } = parts;
  const nodes = new ClusterMasters(cluster, events.changed);
  const gate = gateOf(cluster, options, parts);
  const beforeSend = (): void => nodes.shareWrites();
  const commands = new Commands({ client: cluster, gate, beforeSend, onCorrupt: events.corrupt });
  const publisher = createClusterPublisher(nodes, gate);
  const subscribers = createClusterSubscribers({
    cluster,
    nodes,
    redisOptions: nodeOptions(commandTimeoutMs, "subscriber"),
    probe: probeOf(publisher, options, parts),
    counters,
    events,
  });
  const unwatch = watch(cluster, gate, subscribers, parts);
  const connections: RedisConnections = {
    get state() {
      return gate.isOpen ? subscribers.state : "down";
    },
    commands,
    publisher,
    subscribers,
    async close() {
      gate.close();
      nodes.close();
      await subscribers.close();
      if (owned) disconnect(cluster);
      unwatch();
    },
  };
  return { connections, clients: [cluster], warmUp: () => nodes.warmUp(commandTimeoutMs) };
}

function gateOf(
  client: Redis | Cluster,
  { commandTimeoutMs, maxPendingCommands }: ResolvedRedisStoreOptions,
  { counters }: RedisConnectionParts,
): PendingCommands {
  // A client of one node reports that it is ready until its broken connection is closed, but writes nothing.
  const isOpen =
    client instanceof Cluster
      ? () => client.status === "ready"
      : () => client.status === "ready" && client.stream.writable;
  return new PendingCommands({ commandTimeoutMs, maxPendingCommands, isOpen, counters });
}

function probeOf(
  publisher: Publisher,
  { probeIntervalMs, probeTimeoutMs }: ResolvedRedisStoreOptions,
  { probeChannel }: RedisConnectionParts,
): ProbeSettings {
  return {
    channel: probeChannel,
    publish: (channel, payload) => publisher.probe(channel, payload),
    intervalMs: probeIntervalMs,
    timeoutMs: probeTimeoutMs,
  };
}

// Leave out `replyMapping`, which an application may set: this package reads replies in their plain shapes.
function createRedis({ replyMapping: _, ...options }: RedisOptions): Redis {
  return new Redis(options);
}

function createCluster(nodes: ClusterNode[], { redisOptions, ...options }: ClusterOptions): Cluster {
  const { replyMapping: _, ...forNodes } = redisOptions ?? {};
  return new Cluster(nodes, { ...options, redisOptions: forNodes });
}

/** Forwards a client's events. Returns a function that stops this. */
function watch(
  client: Redis | Cluster,
  gate: PendingCommands,
  subscribers: Subscribers,
  { counters, events }: RedisConnectionParts,
): () => void {
  let wasReady = client.status === "ready";
  const ready = (): void => {
    if (wasReady) counters.reconnects++;
    wasReady = true;
    gate.opened();
    subscribers.hurry();
    events.changed();
  };
  client.on("ready", ready);
  for (const event of CHANGES) client.on(event, events.changed);
  client.on("error", events.failed);
  return () => {
    client.off("ready", ready);
    for (const event of CHANGES) client.off(event, events.changed);
    client.off("error", events.failed);
  };
}

const CHANGES = ["close", "end", "reconnecting"] as const;
