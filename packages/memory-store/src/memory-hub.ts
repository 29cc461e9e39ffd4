import type { Counted, Eviction, Holdings, Lease, ReapClaim, RoomMember } from "@cm/protocol";
import { requireFunction, requireOptions } from "@cm/protocol/options";
import { ChannelTable } from "./bus/channel-table.js";
import { ConnectionTable } from "./connections/connection-table.js";
import { HistoryTable } from "./history/history-table.js";
import { RecordTable } from "./rooms/room-record-table.js";
import { RoomTable } from "./rooms/room-table.js";
import { ServerTable } from "./servers/server-table.js";
import type { LastSeenLimits } from "./users/last-seen.js";
import { UserTable } from "./users/user-table.js";

/** Options of {@link createMemoryHub}. */
export interface MemoryHubOptions {
  /**
   * The clock for leases and all other times, in milliseconds since the Unix epoch. It must not go back.
   * Default: the system time when the process started plus the monotonic clock since then, so that setting
   * the system clock ends no lease.
   */
  readonly now?: (() => number) | undefined;
}

/** Holds the data of memory stores. Stores with the same hub and namespace share their data. */
export interface MemoryHub {
  /** Milliseconds since the Unix epoch, by the clock that is used for leases. */
  now(): number;
}

/** All data of one namespace. */
export class MemoryNamespace {
  readonly servers: ServerTable;
  readonly connections: ConnectionTable;
  readonly rooms: RoomTable;
  readonly users: UserTable;
  readonly records: RecordTable;
  readonly channels = new ChannelTable();
  readonly history: HistoryTable;

  constructor(now: () => number) {
    this.servers = new ServerTable(now);
    this.connections = new ConnectionTable(this.servers);
    this.records = new RecordTable(this.servers, now);
    this.rooms = new RoomTable(this.servers, this.records, this.channels, now);
    this.users = new UserTable(this.servers, this.channels, now);
    this.history = new HistoryTable(this.channels, now);
  }

  held<K extends keyof Holdings>(right: Lease | ReapClaim, kind: K, partition: number): Holdings[K] {
    const readers: { readonly [P in keyof Holdings]: () => Holdings[P] } = {
      records: () => this.connections.held(right, partition),
      rooms: () => this.rooms.held(right, partition),
      users: () => this.users.held(right, partition),
    };
    return readers[kind]();
  }

  evict(claim: ReapClaim, what: Eviction, limits: LastSeenLimits): readonly RoomMember[] {
    if ("room" in what) return this.rooms.evict(claim, what.room);
    if ("users" in what) this.users.evict(claim, what.users, limits);
    else this.connections.clearRecordPartition(claim, what.recordPartition);
    return [];
  }

  count(what: Counted): number {
    switch (what) {
      case "users":
        return this.users.size;
      case "connections":
        return this.users.connections;
      case "rooms":
        return this.rooms.size;
      case "roomRecords":
        return this.records.size;
    }
  }

  /**
   * Total number of rooms, announced rooms, online users, room records, subscribed channels, and servers that
   * have connection records. Leases, histories and the last-seen times of offline users do not count.
   */
  get size(): number {
    const { connections, rooms, users, records, channels } = this;
    return connections.size + rooms.size + rooms.announced + users.size + records.size + channels.size;
  }
}

class Hub implements MemoryHub {
  readonly now: () => number;
  readonly #namespaces = new Map<string, MemoryNamespace>();

  constructor(now: () => number) {
    this.now = now;
  }

  namespace(namespace: string): MemoryNamespace {
    const known = this.#namespaces.get(namespace);
    if (known !== undefined) return known;
    const data = new MemoryNamespace(this.now);
    this.#namespaces.set(namespace, data);
    return data;
  }
}

const KNOWN: Readonly<Record<keyof MemoryHubOptions, true>> = { now: true };

/** Creates a hub, through which several memory stores of one process share data. Throws `options-invalid`. */
export function createMemoryHub(options: MemoryHubOptions = {}): MemoryHub {
  const { now = () => Math.floor(performance.timeOrigin + performance.now()) } = requireOptions(options, KNOWN);
  return new Hub(requireFunction("now", now));
}

/** The data of a namespace; `undefined` if the hub was not made by {@link createMemoryHub}. */
export function namespaceOf(hub: MemoryHub, namespace: string): MemoryNamespace | undefined {
  return hub instanceof Hub ? hub.namespace(namespace) : undefined;
}
