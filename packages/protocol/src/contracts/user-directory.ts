import type { Lease, ReapClaim } from "./server-registry.js";

/** One connection of a user. */
export interface UserConnection {
  readonly userId: string;
  readonly connectionId: string;
}

/**
 * Which connections a user has, across all servers. Promises:
 *
 * - `add` and `remove` are idempotent, one round trip for many, and refused with
 *   `lease-lost` (changing nothing) once the lease's time has run out.
 * - `connectionsOf` leaves out connections whose owner holds no lease.
 * - A user with no connection leaves nothing behind.
 */
export interface UserDirectory {
  add(lease: Lease, connections: readonly UserConnection[]): Promise<void>;
  remove(lease: Lease, connections: readonly UserConnection[]): Promise<void>;
  /** Ids of the user's living connections, in no particular order. */
  connectionsOf(userId: string): Promise<string[]>;
  /** Users with a connection; costs O(partitions). Dead servers' users count until cleaned up. */
  countOnline(): Promise<number>;
}

/** What keeps users from outliving their connections. */
export interface UserUpkeep {
  /** Renews the time to live of users that the lease's server has connections of. */
  renew(lease: Lease, userIds: readonly string[]): Promise<void>;
  /** Removes connections of a dead server. */
  evict(claim: ReapClaim, connections: readonly UserConnection[]): Promise<void>;
}
