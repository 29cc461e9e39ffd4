import { CmError, type EnteredRoom, isCmError, type Lease, partitionOf, type ServerCounters } from "@cm/protocol";
import { GracePeriods } from "./connections/grace-periods.js";
import { LocalRooms } from "./connections/local-rooms.js";
import { MetadataUpdates } from "./connections/metadata-updates.js";
import { newConnection } from "./connections/new-connection.js";
import type { OwnedConnection } from "./connections/owned-connection.js";
import { OwnedConnections } from "./connections/owned-connections.js";
import { PendingRemovals } from "./connections/pending-removals.js";
import { RoomMemberships } from "./connections/room-memberships.js";
import { StaleConnections } from "./connections/stale-connections.js";
import { WriteGuard } from "./connections/write-guard.js";
import type { FailureReports } from "./failure-reports.js";
import type { LeaseKeeper } from "./lease/lease-keeper.js";
import { RenewalCycle } from "./lease/renewal-cycle.js";
import type { LeasedState } from "./lease/server-lease.js";
import type { MembershipStats, NewConnection } from "./membership.js";
import type { ResolvedMembershipOptions } from "./options.js";
import { Projection } from "./projection/projection.js";
import { Reconciliation } from "./reconcile/reconciliation.js";

/**
 * This server's connections and their rooms: the local state, and the work that keeps the store's projection equal
 * to it, at each change and after each heartbeat.
 */
export class LocalMembership implements LeasedState {
  readonly #options: ResolvedMembershipOptions;
  readonly #failures: FailureReports;
  readonly #keeper: LeaseKeeper;
  readonly #local: OwnedConnections;
  readonly #writeGuard = new WriteGuard();
  readonly #projection: Projection;
  readonly #removals: PendingRemovals;
  readonly #gracePeriods: GracePeriods;
  readonly #rooms: RoomMemberships;
  readonly #metadata: MetadataUpdates;
  readonly #staleness: StaleConnections;
  readonly #renewalCycle: RenewalCycle;
  readonly #reconciliation: Reconciliation;
  #reprojections = 0;
  #afterBeat: Promise<unknown> | undefined;
  #isStopped = false;

  constructor(options: ResolvedMembershipOptions, keeper: LeaseKeeper, failures: FailureReports) {
    this.#options = options;
    this.#failures = failures;
    this.#keeper = keeper;
    const { store, ids, interest, onRoomEntered, onRoomExited, heartbeatIntervalMs } = options;
    const { partitions } = store;
    const { partitionBits } = ids;
    const rooms = new LocalRooms({ partitions, interest, onEntered: onRoomEntered, onExited: onRoomExited });
    const local = new OwnedConnections(partitions, rooms);
    const report = (cause: unknown): void => failures.report(cause, "projection");
    const gracePeriods = new GracePeriods({
      projection: store.upkeep.projection,
      partitions,
      heartbeatIntervalMs,
      onError: report,
    });
    const projection = new Projection({
      store,
      local,
      partitionBits,
      lastSeenOf: options.lastSeenOf,
      maxPerUser: options.maxConnectionsPerUser,
      onLeaving: (userId, graceMs) => gracePeriods.after(partitionOf(userId, partitions), graceMs),
    });
    const { maxMemberships, maxRooms, maxMetadataBytes, connectionTtlMs } = options;
    const parts = { local, keeper, projection, writeGuard: this.#writeGuard };
    this.#local = local;
    this.#gracePeriods = gracePeriods;
    this.#projection = projection;
    this.#removals = new PendingRemovals(keeper, projection, this.#writeGuard, report);
    this.#rooms = new RoomMemberships({ ...parts, removals: this.#removals, maxMemberships, maxRooms });
    this.#metadata = new MetadataUpdates({ ...parts, maxBytes: maxMetadataBytes });
    this.#staleness = new StaleConnections(local, options);
    this.#renewalCycle = new RenewalCycle({
      store,
      local,
      partitionBits,
      ttlMs: connectionTtlMs,
      beatMs: heartbeatIntervalMs,
    });
    this.#reconciliation = new Reconciliation(parts, options, (cause) => failures.taskFailed(cause));
  }

  async start(): Promise<void> {
    this.#staleness.start();
    // Take offline the users whose grace period was still running when the last server shut down.
    await this.#failures.attempt(() => this.#gracePeriods.sweep());
  }

  counters(): ServerCounters {
    return { connections: this.#local.size, rooms: this.#local.rooms.size };
  }

  stats(): Pick<
    MembershipStats,
    "connections" | "rooms" | "memberships" | "users" | "pendingRemovals" | "reprojections" | "drift"
  > {
    return {
      ...this.counters(),
      memberships: this.#local.memberships,
      users: this.#local.userCount,
      pendingRemovals: this.#removals.pending,
      reprojections: this.#reprojections,
      drift: this.#reconciliation.drift,
    };
  }

  /** See `Membership.open`. */
  async open(given: NewConnection): Promise<void> {
    const connection = newConnection(given, this.#options, (id) => this.#local.get(id) !== undefined);
    const { connectionId } = connection;
    this.#local.add(connection);
    this.#writeGuard.begin(connectionId);
    try {
      await this.#open(connection);
    } finally {
      this.#writeGuard.end(connectionId);
    }
  }

  async #open(connection: OwnedConnection): Promise<void> {
    const { connectionId } = connection;
    try {
      await this.#keeper.write((lease) => this.#projection.open(lease, connection));
    } catch (error) {
      // The connection may already be joining rooms, so the removal includes them.
      const removal = { connection, rooms: this.#rooms.forget(connection) };
      // The store responded, so remove at once: the user's connection count is then correct when the
      // caller gets the error.
      if (isCmError(error) && error.code === "connections-limit") await this.#removals.run(removal);
      else this.#removals.later(removal);
      throw error;
    }
    // If the socket closed while the connection was written, a retry of the write may have arrived after
    // the removal: remove again.
    if (this.#local.get(connectionId) !== connection) await this.#removals.run({ connection, rooms: [] });
  }

  /** See `Membership.update`. */
  async update(connectionId: string, metadata: unknown): Promise<void> {
    await this.#metadata.update(this.#local.require(connectionId), metadata);
  }

  /** See `Membership.close`. */
  async close(connectionId: string, signOff: boolean | undefined): Promise<void> {
    const connection = this.#local.get(connectionId);
    if (connection === undefined) return;
    if (signOff) connection.graceMs = 0;
    // A shutdown removes all connections from the store, including this one.
    if (this.#isStopped) return;
    this.#metadata.forget(connection);
    await this.#removals.run({ connection, rooms: this.#rooms.forget(connection) });
  }

  /** See `Membership.join`. */
  join(connectionId: string, room: string, record: string | undefined): Promise<EnteredRoom | undefined> {
    return this.#rooms.join(connectionId, room, record);
  }

  /** See `Membership.isMember`. */
  isMember(connectionId: string, room: string): boolean {
    return this.#rooms.isMember(connectionId, room);
  }

  /** See `Membership.leave`. */
  leave(connectionId: string, room: string): Promise<void> {
    return this.#rooms.leave(connectionId, room);
  }

  async restore(lease: Lease): Promise<void> {
    const { permanentErrors } = this.#failures;
    this.#reprojections++;
    this.#reconciliation.doubt();
    // Only queue the removals here: they wait for the lease, which counts as held only after this call.
    for (const stray of await this.#projection.strays(lease, permanentErrors)) this.#removals.later(stray);
    await this.#projection.all(lease, permanentErrors);
    await permanentErrors.awaitAccepted([this.#options.onRestored(lease)]);
  }

  beat(lease: Lease): void {
    // At most one run of each at a time; neither delays the other.
    this.#afterBeat ??= this.#keepUp(lease).finally(() => {
      this.#afterBeat = undefined;
    });
    this.#reconciliation.beat();
  }

  async #keepUp(lease: Lease): Promise<void> {
    await this.#failures.attempt(() => this.#removals.retry());
    await this.#failures.attempt(() => this.#metadata.retry());
    await this.#failures.attempt(() => this.#renewalCycle.beat(lease));
    await this.#failures.attempt(() => this.#gracePeriods.sweep());
  }

  /** Begins the shutdown: no timer fires any more, and work in progress ends at its next step. */
  stop(): void {
    this.#isStopped = true;
    this.#staleness.stop();
    this.#reconciliation.abort();
  }

  /** Removes everything from the store, after the work in progress. Resolves with `true` if that succeeded. */
  async withdraw(): Promise<boolean> {
    await Promise.all([this.#reconciliation.settled(), this.#afterBeat]);
    await this.#gracePeriods.stop();
    if (!this.#keeper.acquired) return true;
    try {
      const isClear = await this.#removals.finish();
      const { permanentErrors } = this.#failures;
      await this.#projection.withdraw(this.#keeper.current(), this.#options.offlineGraceMs, permanentErrors);
      if (!isClear) throw new CmError("unavailable", "The store has not accepted all removals.");
      return true;
    } catch (cause) {
      this.#failures.report(cause, "projection");
      return false;
    }
  }
}
