import { randomUUID } from "node:crypto";
import { type Bus, CmError, type FailureStage, type Link, type Store, toCmError } from "@cm/protocol";
import { notStarted, stampVersion } from "@cm/protocol/options";
import { storeClosed } from "@cm/protocol/store";
import { RedisBus } from "./bus/redis-bus.js";
import { evictionRisk } from "./client/eviction-warning.js";
import { loadClient } from "./client/load-client.js";
import type { RedisConnections } from "./client/redis-connections.js";
import type { Commands } from "./commands/redis-commands.js";
import { RedisConnectionRegistry } from "./connections/redis-connection-registry.js";
import { FailureReporter } from "./errors/failure-reporter.js";
import { corrupt, toStoreError } from "./errors/store-error.js";
import { RedisHistory } from "./history/redis-history.js";
import { Keys } from "./keys/key-names.js";
import { RedisLink } from "./link/redis-link.js";
import {
  databaseOf,
  type RedisStoreOptions,
  type ResolvedRedisStoreOptions,
  resolveRedisStoreOptions,
} from "./options.js";
import { RedisProjectionUpkeep } from "./projection/redis-projection-upkeep.js";
import { RedisStoreCounts } from "./redis-store-counts.js";
import { RedisRoomRecords } from "./room-records/redis-room-records.js";
import { RedisRoomDirectory } from "./rooms/redis-room-directory.js";
import { LiveServers } from "./servers/live-servers.js";
import { RedisServerRegistry } from "./servers/redis-server-registry.js";
import { layoutEnsure } from "./servers/server-scripts.js";
import { RedisUserDirectory } from "./users/redis-user-directory.js";

/** Version of the key layout that this package writes; see `Keys`. */
const LAYOUT_VERSION = 4;

/** A {@link Store} on Redis. */
export interface RedisStore extends Store {
  /** Same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Creates a store on Redis 7 or newer, or Valkey: a single node, a master found through Sentinels, or a
 * Cluster. The store uses one connection for commands and one for subscriptions (in a Cluster, one of each
 * per master). It connects only when it is started.
 *
 * In a Cluster, leases are checked against one node's clock, and each write against the clock of the node
 * that it goes to: keep the nodes' clocks synchronized, as for any use of expiry.
 *
 * Throws `options-invalid`.
 */
export function createRedisStore(options: RedisStoreOptions): RedisStore {
  return stampVersion(new ConnectedStore(resolveRedisStoreOptions(options)));
}

/** The objects that exist between `start` and `close`. */
interface Running {
  readonly links: RedisConnections;
  readonly servers: RedisServerRegistry;
  readonly connections: RedisConnectionRegistry;
  readonly rooms: RedisRoomDirectory;
  readonly users: RedisUserDirectory;
  readonly roomRecords: RedisRoomRecords;
  readonly counts: RedisStoreCounts;
  readonly projection: RedisProjectionUpkeep;
  readonly history: RedisHistory;
  readonly bus: RedisBus;
}

class ConnectedStore implements RedisStore {
  readonly #options: ResolvedRedisStoreOptions;
  readonly #keys: Keys;
  readonly #reports: FailureReporter;
  readonly #link = new RedisLink(
    () => this.#lastProbeMs(),
    (cause) => this.#reportThrown(cause, "A listener of the link threw."),
  );
  /**
   * The moment of the monotonic clock before which all published messages were received, as last determined
   * while the link was in sync.
   */
  #heardUntil = Number.NEGATIVE_INFINITY;
  #running: Running | undefined;
  #starting: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  readonly #stop = new AbortController();

  constructor(options: ResolvedRedisStoreOptions) {
    this.#options = options;
    this.#keys = new Keys(options.prefix, options.partitions, databaseOf(options.connection));
    this.partitions = options.partitions;
    this.#reports = new FailureReporter(options.onError);
  }

  readonly servers: Store["servers"] = {
    acquire: (registration, ttlMs) =>
      this.#with("servers.acquire", ({ servers }) => servers.acquire(registration, ttlMs)),
    renew: (lease, counters) => this.#with("servers.renew", ({ servers }) => servers.renew(lease, counters)),
    unregister: (right) => this.#with("servers.unregister", ({ servers }) => servers.unregister(right)),
    snapshot: (options) => this.#with("servers.snapshot", ({ servers }) => servers.snapshot(options)),
  };

  readonly connections: Store["connections"] = {
    put: (lease, records, options) =>
      this.#with("connections.put", ({ connections }) => connections.put(lease, records, options)),
    remove: (lease, ids, removal) =>
      this.#with("connections.remove", ({ connections }) => connections.remove(lease, ids, removal)),
    get: (connectionId) => this.#with("connections.get", ({ connections }) => connections.get(connectionId)),
  };

  readonly rooms: Store["rooms"] = {
    join: (lease, room, members, options) =>
      this.#with("rooms.join", ({ rooms }) => rooms.join(lease, room, members, options)),
    leave: (lease, room, members, reason) =>
      this.#with("rooms.leave", ({ rooms }) => rooms.leave(lease, room, members, reason)),
    members: (room, page) => this.#with("rooms.members", ({ rooms }) => rooms.members(room, page)),
    count: (room) => this.#with("rooms.count", ({ rooms }) => rooms.count(room)),
    enableAnnouncements: (room, ttlMs) =>
      this.#with("rooms.enableAnnouncements", ({ rooms }) => rooms.enableAnnouncements(room, ttlMs)),
  };

  readonly users: Store["users"] = {
    add: (lease, connections, options) =>
      this.#with("users.add", ({ users }) => users.add(lease, connections, options)),
    remove: (lease, connections, options) =>
      this.#with("users.remove", ({ users }) => users.remove(lease, connections, options)),
    states: (userIds, options) => this.#with("users.states", ({ users }) => users.states(userIds, options)),
    online: (page, partition) => this.#with("users.online", ({ users }) => users.online(page, partition)),
  };

  readonly upkeep: Store["upkeep"] = {
    servers: {
      claim: (target, claimant, claimMs) =>
        this.#with("upkeep.servers.claim", ({ servers }) => servers.claim(target, claimant, claimMs)),
      watch: (lease, silentForMs) =>
        this.#with("upkeep.servers.watch", ({ servers }) => servers.watch(lease, silentForMs)),
      expire: (server, silentForMs) =>
        this.#with("upkeep.servers.expire", ({ servers }) => servers.expire(server, silentForMs)),
    },
    projection: {
      renew: (lease, parts) =>
        this.#with("upkeep.projection.renew", ({ projection }) => projection.renew(lease, parts)),
      held: (right, kind, partition) =>
        this.#with("upkeep.projection.held", ({ projection }) => projection.held(right, kind, partition)),
      evict: (claim, what) => this.#with("upkeep.projection.evict", ({ projection }) => projection.evict(claim, what)),
      endGracePeriods: (partitions) =>
        this.#with("upkeep.projection.endGracePeriods", ({ projection }) => projection.endGracePeriods(partitions)),
      reconcile: (kind, partition) =>
        this.#with("upkeep.projection.reconcile", ({ projection }) => projection.reconcile(kind, partition)),
    },
  };

  readonly partitions: number;

  readonly counts: Store["counts"] = {
    of: (what) => this.#with("counts.of", ({ counts }) => counts.of(what)),
  };

  readonly roomRecords: Store["roomRecords"] = {
    get: (room, options) => this.#with("roomRecords.get", ({ roomRecords }) => roomRecords.get(room, options)),
    compareAndSet: (room, version, value) =>
      this.#with("roomRecords.compareAndSet", ({ roomRecords }) => roomRecords.compareAndSet(room, version, value)),
    restore: (lease, records) =>
      this.#with("roomRecords.restore", ({ roomRecords }) => roomRecords.restore(lease, records)),
  };

  readonly bus: Bus = {
    // Without `#with`, because this is called for every message.
    publish: (channel, message) =>
      this.#running?.bus.publish(channel, message) ?? Promise.reject(this.#notOpen("bus.publish")),
    subscribe: (channel, handler, onResumed) =>
      this.#with("bus.subscribe", ({ bus }) => bus.subscribe(channel, handler, onResumed)),
    history: {
      // The link counts as in sync once a published probe has arrived.
      link: this.#link,
      append: (room, draft) =>
        this.#running?.history.append(room, draft) ?? Promise.reject(this.#notOpen("bus.history.append")),
      since: (room, from, limit) => this.#with("bus.history.since", ({ history }) => history.since(room, from, limit)),
      restart: (room, reached, notice) =>
        this.#with("bus.history.restart", ({ history }) => history.restart(room, reached, notice)),
    },
  };

  get link(): Link {
    return this.#link;
  }

  start(): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(storeClosed());
    this.#starting ??= this.#start().catch((error) => {
      this.#starting = undefined;
      throw error;
    });
    return this.#starting;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #start(): Promise<void> {
    let bus: RedisBus | undefined;
    // A unique name, so that only messages of this store arrive on the probe's channel.
    const probeId = randomUUID();
    const { connectRedis } = await loadClient();
    if (this.#stop.signal.aborted) throw storeClosed();
    const links = await connectRedis(
      this.#options,
      {
        counters: this.#link.counters,
        probeChannel: (n) => this.#keys.probe(n, probeId),
        events: {
          message: (channel, payload) => bus?.take(channel, payload) ?? false,
          live: (channel) => bus?.live(channel),
          changed: () => this.#updateLink(),
          failed: (error) => this.#report(toStoreError(error), "link"),
          corrupt: (error) => this.#report(error, "store"),
        },
      },
      this.#stop.signal,
    );
    try {
      const { commands } = links;
      const [risk] = await Promise.all([evictionRisk(commands), this.#ensureLayout(commands)]);
      if (risk !== undefined) this.#report(risk, "store");
    } catch (error) {
      await links.close();
      throw error;
    }
    this.#running = this.#createParts(links);
    bus = this.#running.bus;
    this.#updateLink();
  }

  /** Creates the parts of the store, which share its connections. */
  #createParts(links: RedisConnections): Running {
    const { commandTimeoutMs, publishWindowMs, connectionTtlMs, lastSeenTtlMs, roomRecordTtlMs } = this.#options;
    const { historyMaxMessages, historyTtlMs } = this.#options;
    const { commands, publisher, subscribers } = links;
    const living = new LiveServers(commands, this.#keys);
    // Scripts announce changes with the same command that publishes messages.
    const { name: publishCommand } = publisher.target(this.#keys.leases);
    const shared = {
      commands,
      keys: this.#keys,
      living,
      connectionTtlMs,
      lastSeenTtlMs,
      roomRecordTtlMs,
      publishCommand,
      isSharded: publishCommand === "spublish",
    };
    const bus = new RedisBus({
      keys: this.#keys,
      publisher,
      subscribers,
      commandTimeoutMs,
      publishWindowMs,
      heardAllAgoMs: () => performance.now() - this.#heardUntil,
      onThrow: (cause) => this.#reportThrown(cause, "A bus handler threw."),
    });
    const connections = new RedisConnectionRegistry(shared);
    const rooms = new RedisRoomDirectory(shared);
    const users = new RedisUserDirectory(shared);
    return {
      links,
      servers: new RedisServerRegistry({
        ...shared,
        hears: (channel) => bus.hears(channel),
        ensureLayout: () => this.#ensureLayout(commands),
      }),
      connections,
      rooms,
      users,
      roomRecords: new RedisRoomRecords(shared),
      counts: new RedisStoreCounts(shared),
      projection: new RedisProjectionUpkeep({ connections, rooms, users }),
      history: new RedisHistory({ ...shared, publisher, historyMaxMessages, historyTtlMs }),
      bus,
    };
  }

  async #close(): Promise<void> {
    this.#stop.abort();
    // If the start fails, it cleans up by itself, and its caller gets the error.
    await this.#starting?.catch(() => undefined);
    const running = this.#running;
    this.#running = undefined;
    this.#link.become("closed");
    if (running === undefined) return;
    running.bus.close();
    await running.links.close();
  }

  async #ensureLayout(commands: Commands): Promise<void> {
    const { partitions } = this.#options;
    const stored = await commands.run(layoutEnsure, { layout: this.#keys.layout, version: LAYOUT_VERSION, partitions });
    if (stored.version === LAYOUT_VERSION && stored.partitions === partitions) return;
    if (!isCount(stored.version) || !isCount(stored.partitions)) {
      throw corrupt([this.#keys.layout], "a hash that is no layout");
    }
    throw new CmError(
      "layout-mismatch",
      `Redis holds layout ${stored.version} with ${stored.partitions} partitions under ${this.#keys.layout}; ` +
        `this store writes layout ${LAYOUT_VERSION} with ${partitions} partitions.`,
      { details: { stored, own: { version: LAYOUT_VERSION, partitions } } },
    );
  }

  #updateLink(): void {
    if (this.#running === undefined) return;
    const { state, subscribers } = this.#running.links;
    if (state === "in-sync") {
      this.#reports.forget("link");
      this.#heardUntil = subscribers.heardUntil ?? this.#heardUntil;
    }
    this.#link.become(state);
  }

  #lastProbeMs(): number | undefined {
    const provenAt = this.#running?.links.subscribers.provenAt;
    return provenAt === undefined ? undefined : Math.round(performance.now() - provenAt);
  }

  #report(error: CmError, stage: FailureStage): void {
    // Failures while the store closes are expected, so they are not reported.
    if (this.#closing === undefined) this.#reports.once(error, stage);
  }

  #reportThrown(cause: unknown, message: string): void {
    if (this.#closing === undefined) this.#reports.always(toCmError(cause, "internal", message), "handler");
  }

  async #with<T>(call: string, use: (running: Running) => Promise<T>): Promise<T> {
    if (this.#running === undefined) throw this.#notOpen(call);
    return use(this.#running);
  }

  #notOpen(call: string): CmError {
    return this.#closing === undefined ? notStarted(call) : storeClosed();
  }
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value > 0;
}
