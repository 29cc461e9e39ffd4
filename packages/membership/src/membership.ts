import type { CmError, EnteredRoom } from "@cm/protocol";
import type { DriftStats } from "./reconcile/drift-report.js";

/** A connection to be opened. */
export interface NewConnection {
  /** An id from {@link Membership.nextConnectionId}. */
  readonly connectionId: string;
  /** The user that the connection belongs to: 1 to 255 bytes of UTF-8. */
  readonly userId: string;
  /** The connection's metadata: any JSON value. `undefined`: no metadata. */
  readonly metadata?: unknown;
}

/** Options for closing a connection. */
export interface CloseOptions {
  /** Whether the user signs off: the user goes offline at once, without the grace period. Default `false`. */
  readonly signOff?: boolean;
}

/** Options for joining a room. */
export interface JoinRoomOptions {
  /** The initial value of the room's record, stored if the room has none; see `JoinOptions`. Default: no record. */
  readonly record?: string | undefined;
}

/** Current numbers of a membership, and its counters. */
export interface MembershipStats {
  /** Open connections. */
  readonly connections: number;
  /** Rooms with members on this server. */
  readonly rooms: number;
  /** Room memberships on this server: each connection counts once for each of its rooms. */
  readonly memberships: number;
  /** Users with connections on this server. */
  readonly users: number;
  /** Removals that the store has not acknowledged yet; they are retried. */
  readonly pendingRemovals: number;
  /** Dead servers that this server cleaned up after. */
  readonly reapedServers: number;
  /**
   * Number of times that everything was projected again, because the lease was acquired again or the store
   * had been down.
   */
  readonly reprojections: number;
  /**
   * Milliseconds since the store last acquired or renewed the lease; `undefined` before the start and after the
   * shutdown.
   */
  readonly leaseAgeMs: number | undefined;
  /** Differences between the store and the local state that were found and repaired. */
  readonly drift: DriftStats;
}

/**
 * One server's membership of the cluster. It holds the authoritative state of the server's own connections
 * and their rooms. The store holds a projection of that state, which is valid while the server's lease is
 * held and is written again whenever the lease or the store's data was lost. Before {@link Membership.start}
 * has taken the lease, calls that write reject with `closed`; `details.call` names the call. A call rejects
 * with `options-invalid` if an object argument is missing or has an unknown field.
 */
export interface Membership {
  /** Id of this server. */
  readonly serverId: string;
  /** Whether the lease was held according to the store's latest response. */
  readonly holdsLease: boolean;
  /**
   * Asks the store whether it holds this server's lease. A store that lost its data, or whose clock passed the
   * lease's expiry, responds to other queries as if there were no other server. If the lease is not held, the
   * server acquires it again at once; then each call resolves with `false` until the other servers have done so too,
   * but at most for `deadAfterMs`. `true` also holds for reads of the store that were sent before the call and
   * answered before its result. Never rejects; resolves with `false` if the store does not respond.
   */
  checkLease(): Promise<boolean>;
  /**
   * The fault that makes the server unfit for new connections even if it holds its lease: the store now has
   * another layout (`layout-mismatch`). `undefined` if there is no fault.
   */
  readonly fault: CmError | undefined;
  /**
   * Acquires the lease and begins the heartbeats. If an earlier process with this id has died, waits until that
   * process is found to be dead and a server has cleaned up after it, for at most `deadAfterMs` plus `reapClaimMs`
   * plus 5 s. Rejects with `server-id-taken` (the id belongs to a living server), `server-id-expired` (the cleanup
   * did not end in time), `layout-mismatch`, `unavailable`, or `closed` if {@link shutdown} was called.
   */
  start(): Promise<void>;
  /** Generates a new connection id of this server. */
  nextConnectionId(): string;
  /**
   * Registers a connection. Rejects with `id-invalid` (not an id of this server, or in use), `name-invalid`,
   * `name-too-long`, `payload-too-large` or `payload-unserializable` (metadata), `connections-limit` (see
   * `maxConnectionsPerUser`), `unavailable` or `timeout`; the connection is not registered then.
   */
  open(connection: NewConnection): Promise<void>;
  /**
   * Replaces a connection's metadata; watchers of its user and of its rooms are notified. Rejects with
   * `not-found`, `payload-too-large` or `payload-unserializable`, which change nothing. After `unavailable`
   * or `timeout`, the new metadata is kept and written after a later heartbeat.
   */
  update(connectionId: string, metadata: unknown): Promise<void>;
  /**
   * Removes a connection and its room memberships. If it was the user's last connection, the user goes
   * offline after the grace period. Idempotent. A failed write to the store is retried in the background.
   */
  close(connectionId: string, options?: CloseOptions): Promise<void>;
  /**
   * Adds a connection to a room. Resolves with the result of `RoomInterest.enter`, once the room's channel is
   * subscribed on this server and the store has the member. No-op if the connection is a member already.
   * Rejects with `not-found`, `name-invalid`, `name-too-long`, `capacity-reached` (its detail `limit` is
   * `maxMemberships` or `maxRooms`), `unavailable` or `timeout`; the connection is not a member then.
   */
  join(connectionId: string, room: string, options?: JoinRoomOptions): Promise<EnteredRoom | undefined>;
  /**
   * Whether a connection is in a room: its join has resolved, and it has neither left nor closed since. Answers from
   * memory. `false` while a join is in progress.
   */
  isMember(connectionId: string, room: string): boolean;
  /**
   * Removes a connection from a room. No-op if it is not a member. A failed write to the store is retried in
   * the background.
   */
  leave(connectionId: string, room: string): Promise<void>;
  /**
   * Removes the connections of a server whose lease has expired. Resolves with the number of removed
   * connections, or `undefined` if the server is alive, is unknown, or is already being cleaned up by another
   * server. Rejects with `unavailable`, `timeout`, `id-invalid` or `closed`.
   */
  reap(serverId: string): Promise<number | undefined>;
  /**
   * Cleans up after every server whose lease has expired, at most 100, without waiting for a heartbeat.
   * Resolves with the number of removed connections, and rejects like {@link reap}.
   */
  reapExpired(): Promise<number>;
  /** Returns the counters since the start, and the current numbers. */
  stats(): MembershipStats;
  /**
   * Removes this server's entries from the store and releases the lease. Users without another connection go
   * offline after the grace period, so that a user who reconnects to another server stays online. A start that is in
   * progress ends soon and rejects with `closed`. Idempotent.
   */
  shutdown(): Promise<void>;
  /** Same as {@link shutdown}. */
  [Symbol.asyncDispose](): Promise<void>;
}
