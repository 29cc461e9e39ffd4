import type { Bus } from "./bus.js";
import type { ConnectionRegistry } from "./connection-registry.js";
import type { Link } from "./link.js";
import type { ProjectionUpkeep } from "./projection-upkeep.js";
import type { RoomDirectory } from "./room-directory.js";
import type { RoomRecords } from "./room-records.js";
import type { ServerRegistry } from "./server-registry.js";
import type { ServerUpkeep } from "./server-upkeep.js";
import type { StoreCounts } from "./store-counts.js";
import type { UserDirectory } from "./user-directory.js";

/**
 * Upkeep of the store's data: claims on dead servers, and the renewal, reconciliation and removal of entries.
 * Only a membership makes these calls.
 */
export interface StoreUpkeep {
  /** Claims on dead servers, and the removal of those servers. */
  readonly servers: ServerUpkeep;
  /** Renewal, reconciliation and removal of servers' projections. */
  readonly projection: ProjectionUpkeep;
}

/**
 * All contracts of one store, over one link. The contracts for upkeep are separate from those for use.
 *
 * Every call settles within the store's deadline. While the link is down, all calls except
 * `bus.publish` and `bus.history.append` wait for it within that deadline, so that a short interruption
 * does not fail a join; they reject with `unavailable` if the interruption lasts longer. The number of
 * waiting and running calls is bounded: beyond that bound, calls reject at once with `unavailable`.
 */
export interface Store {
  /** The servers that are alive, and their leases. */
  readonly servers: ServerRegistry;
  /** Records of connections. */
  readonly connections: ConnectionRegistry;
  /** The members of rooms. */
  readonly rooms: RoomDirectory;
  /** The connections of users. */
  readonly users: UserDirectory;
  /** The application's data about rooms. */
  readonly roomRecords: RoomRecords;
  /** Messages between servers; its `history` keeps the latest messages of rooms. */
  readonly bus: Bus;
  /** Totals over all servers. */
  readonly counts: StoreCounts;
  /**
   * The number of partitions, 1 or more. Rooms are divided into them, and so are users; `partitionOf` tells the
   * partition of a name. Each partition of users has a feed of presence changes. The number is known before the
   * store starts and never changes; every store on the same data has the same.
   */
  readonly partitions: number;
  /** The calls that only the membership makes. */
  readonly upkeep: StoreUpkeep;
  /** The link between this process and the store. */
  readonly link: Link;
  /**
   * Connects and checks the layout. Rejects with `unavailable`, with `layout-mismatch` or `store-corrupt` if the
   * store holds another layout or foreign data in its place, with `options-invalid` if the connection settings
   * are wrong, or with `closed` after `close`.
   */
  start(): Promise<void>;
  /** Closes the store's connections and stops its timers. Idempotent: every call returns the same promise. */
  close(): Promise<void>;
}
