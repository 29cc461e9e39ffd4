import type { PartitionReconciliation } from "./partition-reconciliation.js";
import type { Page, PageRequest } from "./room-directory.js";
import type { Lease, ReapClaim } from "./server-registry.js";

/** One connection of a user. */
export interface UserConnection {
  /** Whose connection it is. */
  readonly userId: string;
  /** The connection's id. */
  readonly connectionId: string;
  /** What the connection says about itself, as JSON text. Absent: nothing. */
  readonly metadata?: string | undefined;
}

/** What the store knows of a user at one moment. */
export interface UserState {
  /** The user's name. */
  readonly userId: string;
  /** Living connections, in no particular order. */
  readonly connections: readonly UserConnection[];
  /** Has no connection left, and is not said to be offline yet: the grace period runs. */
  readonly isLeaving: boolean;
  /**
   * When the user was last online, in milliseconds since the Unix epoch of the store's
   * clock: of an offline user, for as long as the store remembers it.
   */
  readonly lastSeen: number | undefined;
  /** The version of the user's feed at that moment: later changes have a greater one. */
  readonly version: number;
}

/** How connections are added. */
export interface AddOptions {
  /**
   * Whether nothing is announced: the connections were there before and the store has
   * lost them. Default `false`.
   */
  readonly quiet?: boolean;
  /**
   * How many connections a user may have, those of all servers counted, also of one that is
   * dead and not cleaned up after. Where one of the users would have more, the call fails
   * with `connections-limit`; none of a user whose number it exceeds is added. The count and
   * the addition are one step. Default 0: any number.
   */
  readonly maxPerUser?: number;
}

/** How connections are removed. */
export interface RemoveOptions {
  /**
   * How long a user whose last connection this was still counts as online, in
   * milliseconds. 0: offline at once.
   */
  readonly graceMs: number;
}

/**
 * Which connections a user has, across all servers. Promises:
 *
 * - `add`, `update` and `remove` are idempotent, one round trip for many, and refused with
 *   `lease-lost` (changing nothing) once the lease's time has run out.
 * - Every change is announced in the same step as it is made, on the channel
 *   `{ kind: "presence", name: String(partitioning.partitionOf(userId)) }` (a *feed*), as a
 *   `PresenceChange`: exactly one for each connection that came, changed or went, and one
 *   for a user who went offline by himself as the grace period ended. What changes nothing
 *   announces nothing. All changes of one feed have growing versions, and each names the
 *   one before it.
 * - Reading leaves out connections whose owner holds no lease. What `states` returns for
 *   the users of one feed was read at one moment.
 * - A user with no connection leaves nothing behind but when he was last seen, and that for
 *   a limited time.
 */
export interface UserDirectory {
  /** Adds connections of the lease's server. */
  add(lease: Lease, connections: readonly UserConnection[], options?: AddOptions): Promise<void>;
  /**
   * Replaces metadata. The change names what was replaced. Does nothing for connections
   * that the store does not know.
   */
  update(lease: Lease, connections: readonly UserConnection[]): Promise<void>;
  /** Removes connections of the lease's server. */
  remove(lease: Lease, connections: readonly UserConnection[], options: RemoveOptions): Promise<void>;
  /** Ids of the user's living connections, in no particular order. */
  connectionsOf(userId: string): Promise<string[]>;
  /** One round trip; in the order asked for. At most 1,000 users, else `options-invalid`. */
  states(userIds: readonly string[]): Promise<UserState[]>;
  /**
   * Users who are online, without a scan. One who stays online throughout a reading in
   * pages is returned exactly once. A page may be shorter than its limit, also empty.
   * With `partition` only the users of that feed. A bad cursor or limit fails with
   * `options-invalid`.
   */
  online(page: PageRequest, partition?: number): Promise<Page<UserState>>;
}

/** What keeps users from outliving their connections. */
export interface UserUpkeep {
  /** Renews the time to live of users that the lease's server has connections of. */
  renew(lease: Lease, userIds: readonly string[]): Promise<void>;
  /**
   * Removes connections of a dead server. There is no grace period: the lease was one.
   * Does nothing where the claim is no longer held.
   */
  evict(claim: ReapClaim, connections: readonly UserConnection[]): Promise<void>;
  /**
   * Takes users offline whose grace period has ended, and announces each once, no matter how
   * many servers call. Any server may call, at any time. Resolves with the time until the next
   * one ends, in milliseconds, `undefined` where no user is leaving.
   */
  settle(partitions: readonly number[]): Promise<number | undefined>;
  /**
   * What the store holds of the lease's server in a partition, to compare with the truth; or of the
   * dead one that is claimed, to remove it.
   */
  held(right: Lease | ReapClaim, partition: number): Promise<UserConnection[]>;
  /**
   * Goes over a partition, in small steps: sets right what is derived from the users' connections,
   * that is how many users are online and when leaving ones are to go, and says who has
   * connections there. Any server may call, at any time.
   */
  reconcile(partition: number): Promise<PartitionReconciliation>;
}
