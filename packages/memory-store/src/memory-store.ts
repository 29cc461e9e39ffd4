import { type Bus, type Channel, type History, type Link, type Store, toCmError } from "@cm/protocol";
import { stampVersion } from "@cm/protocol/options";
import { MemoryBus } from "./bus/memory-bus.js";
import { MemoryLink } from "./bus/memory-link.js";
import type { MemoryNamespace } from "./memory-hub.js";
import { type MemoryStoreOptions, type ResolvedMemoryStoreOptions, resolveMemoryStoreOptions } from "./options.js";
import { PARTITIONS } from "./partitions.js";

/**
 * Creates a store in the memory of this process, for a single server and for tests. The store fulfils all
 * contracts. Its link is `in-sync` from `start()` to `close()`. When a store closes, its data stays with the
 * hub, as it would in a database. The data of servers has no time to live: a dead server's data stays until
 * it is cleaned up.
 *
 * All subscribers of a channel get the same copy of a message's bytes: a handler may read the bytes during
 * the call and must not write to them.
 *
 * Throws `options-invalid`.
 */
export function createMemoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  return stampVersion(new HubStore(resolveMemoryStoreOptions(options)));
}

/** A store made by {@link createMemoryStore}. */
export interface MemoryStore extends Store {
  /** Same as `close`. */
  [Symbol.asyncDispose](): Promise<void>;
}

class HubStore implements MemoryStore {
  readonly #link = new MemoryLink((cause) => this.#reportThrown(cause, "A listener of the link threw."));
  readonly #bus: MemoryBus;
  readonly #data: MemoryNamespace;
  readonly #lastSeen: ResolvedMemoryStoreOptions["lastSeen"];
  readonly #roomRecordTtlMs: number;
  readonly #historyLimits: ResolvedMemoryStoreOptions["history"];
  readonly #onError: ResolvedMemoryStoreOptions["onError"];
  #closing: Promise<void> | undefined;

  constructor({ data, lastSeen, roomRecordTtlMs, history, onError }: ResolvedMemoryStoreOptions) {
    this.#data = data;
    this.#lastSeen = lastSeen;
    this.#roomRecordTtlMs = roomRecordTtlMs;
    this.#historyLimits = history;
    this.#onError = onError;
    this.#bus = new MemoryBus(data, this.#link, this.#history, (cause) =>
      this.#reportThrown(cause, "A bus handler threw."),
    );
  }

  readonly servers: Store["servers"] = {
    acquire: (registration, ttlMs) =>
      this.#call("servers.acquire", ({ servers }) => servers.acquire(registration, ttlMs)),
    renew: (lease, counters) => this.#call("servers.renew", ({ servers }) => servers.renew(lease, counters)),
    unregister: (right) => this.#call("servers.unregister", ({ servers }) => servers.unregister(right)),
    snapshot: () => this.#call("servers.snapshot", ({ servers }) => servers.snapshot()),
  };

  readonly connections: Store["connections"] = {
    put: (lease, records, options) =>
      this.#call("connections.put", ({ connections }) => connections.put(lease, records, options)),
    remove: (lease, ids, removal) =>
      this.#call("connections.remove", ({ connections }) => connections.remove(lease, ids, removal)),
    get: (connectionId) => this.#call("connections.get", ({ connections }) => connections.get(connectionId)),
  };

  readonly rooms: Store["rooms"] = {
    join: (lease, room, members, options = {}) =>
      this.#call("rooms.join", ({ rooms }) => rooms.join(lease, room, members, options, this.#roomRecordTtlMs)),
    leave: (lease, room, members, reason) =>
      this.#call("rooms.leave", ({ rooms }) => rooms.leave(lease, room, members, reason)),
    members: (room, page) => this.#call("rooms.members", ({ rooms }) => rooms.members(room, page)),
    count: (room) => this.#call("rooms.count", ({ rooms }) => rooms.count(room)),
    enableAnnouncements: (room, ttlMs) =>
      this.#call("rooms.enableAnnouncements", ({ rooms }) => rooms.enableAnnouncements(room, ttlMs)),
  };

  readonly users: Store["users"] = {
    add: (lease, connections, options) =>
      this.#call("users.add", ({ users }) => users.add(lease, connections, options)),
    remove: (lease, connections, options) =>
      this.#call("users.remove", ({ users }) => users.remove(lease, connections, options, this.#lastSeen)),
    states: (userIds) => this.#call("users.states", ({ users }) => users.states(userIds)),
    online: (page, partition) => this.#call("users.online", ({ users }) => users.online(page, partition)),
  };

  readonly upkeep: Store["upkeep"] = {
    servers: {
      claim: (target, claimant, claimMs) =>
        this.#call("upkeep.servers.claim", ({ servers }) => servers.claim(target, claimant, claimMs)),
      watch: (lease, silentForMs) =>
        this.#call("upkeep.servers.watch", ({ servers }) => servers.watch(lease, silentForMs)),
      expire: (server, silentForMs) =>
        this.#call("upkeep.servers.expire", ({ servers, channels }) => {
          const channel: Channel = { kind: "server", name: server.serverId };
          // A process that starts under the id of a dead server has already subscribed to that server's channel,
          // so this store's own subscription does not count.
          const others = channels.listeners(channel) - (this.#bus.hears(channel) ? 1 : 0);
          return others > 0 ? "alive" : servers.expire(server, silentForMs);
        }),
    },
    projection: {
      // Nothing to renew, because the projection has no time to live here. Only the lease is checked.
      renew: (lease) => this.#call("upkeep.projection.renew", ({ servers }) => void servers.holder(lease)),
      held: (right, kind, partition) =>
        this.#call("upkeep.projection.held", (data) => data.held(right, kind, partition)),
      evict: (claim, what) => this.#call("upkeep.projection.evict", (data) => data.evict(claim, what, this.#lastSeen)),
      endGracePeriods: (partitions) =>
        this.#call("upkeep.projection.endGracePeriods", ({ users }) =>
          users.endGracePeriods(partitions, this.#lastSeen),
        ),
      reconcile: (kind, partition) =>
        this.#call("upkeep.projection.reconcile", (data) => data[kind].reconcile(partition)),
    },
  };

  readonly counts: Store["counts"] = { of: (what) => this.#call("counts.of", (data) => data.count(what)) };

  readonly partitions = PARTITIONS;

  readonly roomRecords: Store["roomRecords"] = {
    get: (room, { touch = false } = {}) =>
      this.#call("roomRecords.get", ({ records }) =>
        touch ? records.touch(room, this.#roomRecordTtlMs) : records.get(room),
      ),
    compareAndSet: (room, version, value) =>
      this.#call("roomRecords.compareAndSet", ({ records }) =>
        records.compareAndSet(room, version, value, this.#roomRecordTtlMs),
      ),
    restore: (lease, lost) =>
      this.#call("roomRecords.restore", ({ records, rooms }) =>
        records.restore(lease, lost, this.#roomRecordTtlMs, (room) => rooms.has(room)),
      ),
  };

  readonly #history: History = {
    link: this.#link,
    append: (room, draft) =>
      this.#call("bus.history.append", ({ history }) => history.append(room, draft, this.#historyLimits)),
    since: (room, from, limit) =>
      this.#call("bus.history.since", ({ history }) => history.since(room, this.#historyLimits, from, limit)),
    restart: (room, reached, notice) =>
      this.#call("bus.history.restart", ({ history }) => history.restart(room, reached, notice, this.#historyLimits)),
  };

  get bus(): Bus {
    return this.#bus;
  }

  get link(): Link {
    return this.#link;
  }

  async start(): Promise<void> {
    this.#link.open();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#bus.closeAll();
    this.#link.close();
  }

  #reportThrown(cause: unknown, message: string): void {
    this.#onError(toCmError(cause, "internal", message), { stage: "handler" });
  }

  async #call<T>(call: string, work: (data: MemoryNamespace) => T): Promise<T> {
    this.#link.requireOpen(call);
    return work(this.#data);
  }
}
