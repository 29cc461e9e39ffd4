import type { CmError, EnteredRoom } from "@cm/protocol";
import type { DriftStats } from "./reconcile/drift-report.js";

/** A connection that is opened. */
export interface NewConnection {
  /** An id of {@link Membership.nextConnectionId}. */
  readonly connectionId: string;
  /** Whose connection it is: 1 to 255 bytes of UTF-8. */
  readonly userId: string;
  /** What it says about itself: any value that JSON has. `undefined`: nothing. */
  readonly metadata?: unknown;
}

/** How a connection is closed. */
export interface CloseOptions {
  /** Whether the user means to go: offline at once, without the grace period. Default `false`. */
  readonly signOff?: boolean;
}

/** How a connection is put into a room. */
export interface JoinRoomOptions {
  /** The first value of a record that the room is to keep; see `JoinOptions`. Default: none is asked for. */
  readonly record?: string | undefined;
}

/** What a membership holds now. */
export interface MembershipStats {
  /** Open connections. */
  readonly connections: number;
  /** Rooms with members here. */
  readonly rooms: number;
  /** Members of rooms here, one for each room of a connection. */
  readonly memberships: number;
  /** Users with connections here. */
  readonly users: number;
  /** Removals that the store has not taken yet; they are tried again. */
  readonly pendingRemovals: number;
  /** Dead servers that this one cleaned up after. */
  readonly reapedServers: number;
  /** How often everything was projected again: the lease was acquired again, or the store had been down. */
  readonly reprojections: number;
  /** What the comparison of the store with the truth has come to. */
  readonly drift: DriftStats;
}

/**
 * One server's place in the cluster. It knows its own connections and their rooms: that
 * is the truth. The store holds a projection of it, believed while the server's lease
 * lives and written again whenever the lease or the store's data was lost.
 */
export interface Membership {
  /** Id of this server. */
  readonly serverId: string;
  /** Whether the lease was held at the last word from the store. */
  readonly holdsLease: boolean;
  /**
   * Asks the store whether it holds this server's lease: a store that lost its data, or whose clock passed
   * the lease, answers questions about other things as if there were no other server. Where it is not held, the
   * server acquires it again at once. Never fails; `false` where the store does not answer.
   */
  checkLease(): Promise<boolean>;
  /**
   * What keeps the server from being fit for newcomers although it holds its lease: the store
   * has another layout by now (`layout-mismatch`). `undefined` where nothing does.
   */
  readonly fault: CmError | undefined;
  /**
   * Takes the lease and begins the heartbeats. Where another server is cleaning up after a dead
   * process of this id, waits for it, at most `reapClaimMs` and 5 s. Fails with `server-id-taken`
   * (by a living server), `server-id-expired` (it was waited for in vain), `layout-mismatch` or `unavailable`.
   */
  start(): Promise<void>;
  /** A new connection id of this server. */
  nextConnectionId(): string;
  /**
   * Registers a connection. Fails with `id-invalid` (not an id of this server, or in
   * use), `name-invalid`, `name-too-long`, `payload-too-large` or `payload-unserializable`
   * (metadata), `connections-limit` (see `maxConnectionsPerUser`), `unavailable` or `timeout`;
   * nothing is left behind then.
   */
  open(connection: NewConnection): Promise<void>;
  /**
   * Replaces what a connection says about itself, for those who watch its user or one of
   * its rooms. Fails with `not-found`, `payload-too-large` or `payload-unserializable`,
   * which change nothing; after `unavailable` or `timeout` the new metadata stays, and is
   * written after a later heartbeat.
   */
  update(connectionId: string, metadata: unknown): Promise<void>;
  /**
   * Forgets a connection and its places in rooms. Where it was the user's last one, the
   * user is offline after the grace period. Idempotent; the store follows when it can.
   */
  close(connectionId: string, options?: CloseOptions): Promise<void>;
  /**
   * Puts a connection into a room: resolves when the room's channel is live here and
   * the store knows the member, with what `RoomInterest.enter` answered. No-op for a member.
   * Fails with `not-found`, `name-invalid`, `name-too-long`, `capacity-reached` (its detail `limit` is
   * `maxMemberships` or `maxRooms`), `unavailable` or `timeout`; nothing is left behind then.
   */
  join(connectionId: string, room: string, options?: JoinRoomOptions): Promise<EnteredRoom | undefined>;
  /** Takes a connection out of a room. No-op where it is none; the store follows when it can. */
  leave(connectionId: string, room: string): Promise<void>;
  /**
   * Cleans up after a server whose lease has run out. Resolves with the number of
   * connections that were removed; `undefined` where the server lives, is unknown, or
   * another one is cleaning up. Fails with `unavailable`, `timeout`, `id-invalid` or `closed`.
   */
  reap(serverId: string): Promise<number | undefined>;
  /**
   * Cleans up after every server whose lease has run out, without waiting for a heartbeat;
   * at most 100. Resolves with the number of connections that were removed, and fails as
   * {@link reap}.
   */
  reapExpired(): Promise<number>;
  /** Counters since the start, and what is held now. */
  stats(): MembershipStats;
  /**
   * Withdraws everything and gives the lease up. Users without another connection are
   * offline after the grace period, so that moving to another server is no change.
   * Idempotent.
   */
  shutdown(): Promise<void>;
  /** As {@link shutdown}. */
  [Symbol.asyncDispose](): Promise<void>;
}
