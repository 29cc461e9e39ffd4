import type { Lease } from "./leases-and-claims.js";
import type { Page, PageRequest } from "./room-directory.js";

/** One connection of a user. */
export interface UserConnection {
  /** The user that the connection belongs to. */
  readonly userId: string;
  /** The connection's id. */
  readonly connectionId: string;
  /** The connection's metadata, as JSON text. Absent if there is none. */
  readonly metadata?: string | undefined;
}

/** The state of a user in the store at one moment. */
export interface UserState {
  /** The user's name. */
  readonly userId: string;
  /** The user's living connections, in no particular order. */
  readonly connections: readonly UserConnection[];
  /**
   * Whether the user has no connection left but is not offline yet, because the grace period is still
   * running.
   */
  readonly isLeaving: boolean;
  /**
   * When the user was last online, in milliseconds since the Unix epoch, by the store's clock. Set for an
   * offline user, for as long as the store keeps this time.
   */
  readonly lastSeen: number | undefined;
  /** The version of the user's feed at that moment. Later changes have a greater version. */
  readonly version: number;
}

/** Options of `UserDirectory.add`. */
export interface AddOptions {
  /**
   * Whether no change is announced. Set it for connections that were added before and that the store has lost.
   * Default `false`.
   */
  readonly quiet?: boolean;
  /**
   * Whether no connection is added. The metadata of connections that the store already has is replaced; others are
   * ignored. Default `false`.
   */
  readonly onlyExisting?: boolean;
  /**
   * The maximum number of connections per user, over all servers, including dead servers that have not
   * been cleaned up. If one of the users would have more, the call rejects with `connections-limit`,
   * and no connection of a user over the limit is added. The count and the addition are one step.
   * Default 0: no limit.
   */
  readonly maxPerUser?: number;
}

/** Options of `UserDirectory.remove`. */
export interface RemoveOptions {
  /**
   * How long a user still counts as online after the last connection was removed, in milliseconds. 0:
   * the user is offline at once.
   */
  readonly graceMs: number;
}

/** Options of `UserDirectory.states`. */
export interface StatesOptions {
  /**
   * Whether the caller only needs connection ids, as for each message to a user. The store may then
   * leave out metadata and `lastSeen`, and return 0 for `version`. It may also ignore the option and
   * read everything. Each user may be read at a different moment. Default `false`.
   */
  readonly idsOnly?: boolean;
}

/**
 * The connections of users, across all servers. Guarantees:
 *
 * - `add` and `remove` are idempotent, take one round trip for many connections, and are rejected
 *   with `lease-lost` (without changing anything) once the lease has expired.
 * - Every change is announced in the same step in which it is made, on the channel
 *   `{ kind: "presence", name: String(partitionOf(userId, partitions)) }` (a *feed*), as a `PresenceChange`:
 *   exactly one for each connection that was added, updated or removed, and one for a user whose grace period
 *   ended. A call that changes nothing announces nothing. The versions of one feed's changes grow, and each
 *   change contains the version before it.
 * - Reads leave out connections whose owner holds no lease. The states that `states` returns for the users of
 *   one feed were read at one moment.
 * - For a user without a connection, the store keeps only the time when the user was last online, for a
 *   limited time.
 */
export interface UserDirectory {
  /**
   * Adds connections of the lease's server, and replaces the metadata of those that the store already has. The
   * announced change contains the previous metadata.
   */
  add(lease: Lease, connections: readonly UserConnection[], options?: AddOptions): Promise<void>;
  /** Removes connections of the lease's server. */
  remove(lease: Lease, connections: readonly UserConnection[], options: RemoveOptions): Promise<void>;
  /**
   * Reads the states of at most 1,000 users (otherwise rejects with `options-invalid`), in one round
   * trip. The result has the order of `userIds`.
   */
  states(userIds: readonly string[], options?: StatesOptions): Promise<UserState[]>;
  /**
   * Lists users who are online, without scanning all users. A user who stays online while all pages are
   * read is returned exactly once. A page may be shorter than its limit, or empty. With `partition`,
   * only the users of that partition are listed. An invalid cursor or limit is rejected with
   * `options-invalid`.
   */
  online(page: PageRequest, partition?: number): Promise<Page<UserState>>;
}
