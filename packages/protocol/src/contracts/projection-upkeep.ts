import type { ConnectionRecord } from "./connection-registry.js";
import type { RoomMember } from "./room-directory.js";
import type { Lease, ServerIncarnation } from "./server-registry.js";
import type { ReapClaim } from "./server-upkeep.js";
import type { UserConnection } from "./user-directory.js";

/** What is renewed in one call. A part that is left out is not renewed. */
export interface RenewedParts {
  /** Shelves of the lease's server, from the first to before `to`. A shelf whose records are all gone stays gone. */
  readonly shelves?: { readonly from: number; readonly to: number };
  /** Rooms that the lease's server has members in. */
  readonly rooms?: readonly string[];
  /** Ids of users that the lease's server has connections of. */
  readonly users?: readonly string[];
}

/** A room, with the members that the store holds of one server. */
export interface HeldRoom {
  readonly room: string;
  readonly members: readonly RoomMember[];
}

/** What the store holds of one server: its records on a shelf, its members of rooms and its connections of users in a partition. */
export interface Holdings {
  readonly records: ConnectionRecord[];
  /** Rooms without a member of the server are left out. */
  readonly rooms: HeldRoom[];
  readonly users: UserConnection[];
}

/** What is removed of a dead server or an orphan: connections of users, all its members of a room, or a shelf of records. */
export type Eviction =
  | { readonly users: readonly UserConnection[] }
  | { readonly room: string }
  | { readonly shelf: number };

/** What a reconciliation of a partition of the rooms or users found. */
export interface PartitionReconciliation {
  /** Derived values that differed from what they are derived from, and were set right. */
  readonly repaired: number;
  /** The servers that have members or connections in the partition, in no particular order, each once. */
  readonly holders: readonly ServerIncarnation[];
}

/**
 * What keeps the projection of servers true: their records, their members of rooms and their
 * connections of users outlive neither the connections nor the servers. Each call is bounded by what
 * it names.
 */
export interface ProjectionUpkeep {
  /**
   * Renews times to live, in one round trip. Refused with `lease-lost` once the lease's time has
   * run out. A part that fails does not keep the others from being renewed.
   */
  renew(lease: Lease, parts: RenewedParts): Promise<void>;
  /**
   * What the store holds of the lease's server, to compare with the truth; or of the one that is
   * claimed, to remove it. `partition` is the number of a shelf for `records`, and of a
   * partition (see `Partitioned`) for `rooms` and `users`.
   */
  held<K extends keyof Holdings>(right: Lease | ReapClaim, kind: K, partition: number): Promise<Holdings[K]>;
  /**
   * Removes what is left of the server that is claimed, and announces it as the contracts for use
   * do: users without a grace period, since the lease was one, members with the reason `lost`.
   * Resolves with the members that were removed from a room; with none for users and shelves.
   * Does nothing where the claim is no longer held. A claim on an orphan gives no right to shelves.
   */
  evict(claim: ReapClaim, what: Eviction): Promise<readonly RoomMember[]>;
  /**
   * Takes users offline whose grace period has ended, and announces each once, no matter how
   * many servers call. Any server may call, at any time. Resolves with the time until the next
   * one ends, in milliseconds, `undefined` where no user is leaving.
   */
  settle(partitions: readonly number[]): Promise<number | undefined>;
  /**
   * Goes over a partition, in small steps, sets right what is derived from the rooms or the users'
   * connections, and says whose members or connections are there. Derived are the number of rooms
   * and of their records; the number of users that are online, and when leaving ones are to go.
   * Any server may call, at any time.
   */
  reconcile(kind: "rooms" | "users", partition: number): Promise<PartitionReconciliation>;
}
