import type { Bus } from "./bus.js";
import type { ConnectionRegistry } from "./connection-registry.js";
import type { History } from "./history.js";
import type { Link } from "./link.js";
import type { Partitioned } from "./partitioned.js";
import type { ProjectionUpkeep } from "./projection-upkeep.js";
import type { RoomDirectory } from "./room-directory.js";
import type { RoomRecords } from "./room-records.js";
import type { ServerRegistry } from "./server-registry.js";
import type { ServerUpkeep } from "./server-upkeep.js";
import type { StoreCounts } from "./store-counts.js";
import type { UserDirectory } from "./user-directory.js";

/**
 * What the parts of a store are kept true with: renewal of what lives, and removal of what is
 * left. Only for the holder of the leases (a membership).
 */
export interface StoreUpkeep {
  readonly servers: ServerUpkeep;
  readonly projection: ProjectionUpkeep;
}

/**
 * All contracts of one store, over one link: those for use, and those for upkeep apart.
 *
 * Every call settles within the store's deadline. While the link is away, calls other
 * than `bus.publish` wait for it within that deadline, so that a short interruption does
 * not fail a join; they fail with `unavailable` where it lasts longer. What waits or is
 * under way is bounded: beyond that, calls fail at once with `unavailable`.
 */
export interface Store {
  readonly servers: ServerRegistry;
  readonly connections: ConnectionRegistry;
  readonly rooms: RoomDirectory;
  readonly users: UserDirectory;
  readonly roomRecords: RoomRecords;
  readonly bus: Bus;
  /** Absent where the store keeps no history of rooms. */
  readonly history?: History;
  readonly counts: StoreCounts;
  /** How rooms and users are cut into partitions. */
  readonly partitioning: Partitioned;
  readonly upkeep: StoreUpkeep;
  readonly link: Link;
  /** Connects and checks the layout. Fails with `unavailable` or `layout-mismatch`. */
  start(): Promise<void>;
  /** Ends what `start` began. Idempotent: every call returns the same promise. */
  close(): Promise<void>;
}
