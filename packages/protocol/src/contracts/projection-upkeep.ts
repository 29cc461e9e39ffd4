import type { ConnectionRecord } from "./connection-registry.js";
import type { Lease, ReapClaim, ServerIncarnation } from "./leases-and-claims.js";
import type { RoomMember } from "./room-directory.js";
import type { UserConnection } from "./user-directory.js";

/** The parts of a projection that one call renews. A part that is absent is not renewed. */
export interface RenewedParts {
  /**
   * Record partitions of the lease's server, from `from` up to but not including `to`. A record partition whose
   * records have all expired is not created again.
   */
  readonly recordPartitions?: { readonly from: number; readonly to: number };
  /** Rooms that the lease's server has members in. */
  readonly rooms?: readonly string[];
  /** Ids of users that have connections on the lease's server. */
  readonly users?: readonly string[];
}

/** A room, with the members that the store holds for one server. */
export interface HeldRoom {
  /** The room's name. */
  readonly room: string;
  /** The members that the store holds for that server. */
  readonly members: readonly RoomMember[];
}

/**
 * The kinds of entries that the store holds for one server: records in a record partition, room members in a
 * partition, and users' connections in a partition.
 */
export interface Holdings {
  /** Records in the record partition. */
  readonly records: ConnectionRecord[];
  /** Rooms of the partition. Rooms without a member of the server are left out. */
  readonly rooms: HeldRoom[];
  /** Connections of the partition's users. */
  readonly users: UserConnection[];
}

/**
 * The entries of a dead server or an orphan that one call removes: users' connections, all of the server's
 * members of a room, or a record partition.
 */
export type Eviction =
  | { readonly users: readonly UserConnection[] }
  | { readonly room: string }
  | { readonly recordPartition: number };

/** The result of reconciling a partition of the rooms or users. */
export interface PartitionReconciliation {
  /** Number of derived values that were wrong and have been corrected. */
  readonly repaired: number;
  /** The servers that have members or connections in the partition, each once, in no particular order. */
  readonly holders: readonly ServerIncarnation[];
}

/**
 * Keeps the projections of servers correct: records, room members and users' connections must outlive neither
 * their connections nor their servers. The cost of each call is bounded by the entries that its arguments
 * name.
 */
export interface ProjectionUpkeep {
  /**
   * Renews times to live, in one round trip. Rejected with `lease-lost` once the lease has expired. If
   * one part fails, the other parts are still renewed.
   */
  renew(lease: Lease, parts: RenewedParts): Promise<void>;
  /**
   * Reads the entries of one kind that the store holds for a server. The holder of a lease compares them with
   * its own connections; the holder of a claim removes them. `partition` is the number of a record partition
   * for `records`, and of a partition (see `Store.partitions`) for `rooms` and `users`.
   */
  held<K extends keyof Holdings>(right: Lease | ReapClaim, kind: K, partition: number): Promise<Holdings[K]>;
  /**
   * Removes entries of the claimed server. The removal is announced in the same way as a removal by the owner.
   * Members leave with the reason `lost`. Users without another connection go offline without a grace period,
   * because the time until the lease expired served as one. Resolves with the members that were removed from a
   * room, and with an empty array for users and record partitions. Does nothing if the claim is no longer held.
   * A claim on an orphan does not permit removing record partitions.
   */
  evict(claim: ReapClaim, what: Eviction): Promise<readonly RoomMember[]>;
  /**
   * Takes users offline whose grace period has ended, and announces each of them once, no matter how
   * many servers call. Any server may call, at any time. Resolves with the time until the next grace
   * period ends, in milliseconds, or `undefined` if no grace period is running.
   */
  endGracePeriods(partitions: readonly number[]): Promise<number | undefined>;
  /**
   * Reconciles a partition in small steps: corrects the values that are derived from the rooms or the
   * users' connections, and reports the servers whose members or connections are in the partition. The
   * derived values are the number of rooms and of their records, the number of users who are online,
   * and the times at which grace periods end. Any server may call, at any time.
   */
  reconcile(kind: "rooms" | "users", partition: number): Promise<PartitionReconciliation>;
}
