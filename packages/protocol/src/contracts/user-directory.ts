import type { Page, PageRequest } from "./room-directory.js";
import type { Lease } from "./server-registry.js";

/** One connection of a user. */
export interface UserConnection {
  readonly userId: string;
  readonly connectionId: string;
  /** What the connection says about itself, as JSON text. Absent: nothing. */
  readonly metadata?: string | undefined;
}

/** What the store knows of a user at one moment. */
export interface UserState {
  readonly userId: string;
  /** Living connections, in no particular order. */
  readonly connections: readonly UserConnection[];
  /** Whether the user has no connection left and is not offline yet: the grace period runs. */
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

/** What is read of users. */
export interface StatesOptions {
  /**
   * Whether the ids of connections are all that is wanted, as for each message to a user. The store
   * may then leave out metadata and `lastSeen`, and answer 0 for `version`; it may as well read
   * everything. Each user may be read at another moment. Default `false`.
   */
  readonly idsOnly?: boolean;
}

/**
 * Which connections a user has, across all servers. Promises:
 *
 * - `add`, `update` and `remove` are idempotent, one round trip for many, and refused with
 *   `lease-lost` (changing nothing) once the lease's time has run out.
 * - Every change is announced in the same step as it is made, on the channel
 *   `{ kind: "presence", name: String(partitioning.partitionOf(userId)) }` (a *feed*), as a
 *   `PresenceChange`: exactly one for each connection that came, changed or went, and one
 *   for a user whose grace period ended. What changes nothing
 *   announces nothing. All changes of one feed have growing versions, and each names the
 *   one before it.
 * - Reading leaves out connections whose owner holds no lease. What `states` returns for
 *   the users of one feed was read at one moment.
 * - Of a user without a connection the store keeps only when the user was last online, for
 *   a limited time.
 */
export interface UserDirectory {
  add(lease: Lease, connections: readonly UserConnection[], options?: AddOptions): Promise<void>;
  /**
   * Replaces metadata. The change names what was replaced. Does nothing for connections
   * that the store does not know.
   */
  update(lease: Lease, connections: readonly UserConnection[]): Promise<void>;
  remove(lease: Lease, connections: readonly UserConnection[], options: RemoveOptions): Promise<void>;
  /** One round trip; in the order asked for. At most 1,000 users, else `options-invalid`. */
  states(userIds: readonly string[], options?: StatesOptions): Promise<UserState[]>;
  /**
   * Users who are online, without a scan. One who stays online throughout a reading in
   * pages is returned exactly once. A page may be shorter than its limit, also empty.
   * With `partition` only the users of that feed. A bad cursor or limit fails with
   * `options-invalid`.
   */
  online(page: PageRequest, partition?: number): Promise<Page<UserState>>;
}
