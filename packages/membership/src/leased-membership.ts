import {
  CmError,
  type EnteredRoom,
  isCmError,
  type Lease,
  partitionOf,
  type Renewal,
  requireConnectionId,
  requireServerId,
  toCmError,
} from "@cm/protocol";
import { notStarted, requireFields } from "@cm/protocol/options";
import { GracePeriods } from "./connections/grace-periods.js";
import { type LocalConnection, LocalConnections } from "./connections/local-connections.js";
import { MetadataUpdates } from "./connections/metadata-updates.js";
import { newConnection } from "./connections/new-connection.js";
import { PendingRemovals } from "./connections/pending-removals.js";
import { RoomMemberships } from "./connections/room-memberships.js";
import { StaleConnections } from "./connections/stale-connections.js";
import { WriteGuard } from "./connections/write-guard.js";
import { DeadServerWatch } from "./lease/dead-server-watch.js";
import { LeaseKeeper } from "./lease/lease-keeper.js";
import { takeLease } from "./lease/lease-takeover.js";
import { RenewalCycle } from "./lease/renewal-cycle.js";
import type { CloseOptions, JoinRoomOptions, Membership, MembershipStats, NewConnection } from "./membership.js";
import { type MembershipOptions, type ResolvedMembershipOptions, resolveMembershipOptions } from "./options.js";
import { isPermanentError, PermanentErrors } from "./projection/permanent-errors.js";
import { Projection } from "./projection/projection.js";
import { LostServers } from "./reaping/lost-servers.js";
import { Reaper } from "./reaping/reaper.js";
import { Reconciliation } from "./reconcile/reconciliation.js";
import { nameOf } from "./reconcile/unknown-servers.js";

/** Creates a membership. Throws `options-invalid`. Nothing is written to the store before `start`. */
export function createMembership(options: MembershipOptions): Membership {
  return new LeasedMembership(resolveMembershipOptions(options));
}

class LeasedMembership implements Membership {
  readonly #options: ResolvedMembershipOptions;
  readonly #local: LocalConnections;
  readonly #changes = new WriteGuard();
  readonly #projection: Projection;
  readonly #keeper: LeaseKeeper;
  /** Detects dead servers by their silence. `undefined` if only the lease decides whether a server is alive. */
  readonly #watch: DeadServerWatch | undefined;
  readonly #renewalCycle: RenewalCycle;
  readonly #removals: PendingRemovals;
  readonly #gracePeriods: GracePeriods;
  readonly #rooms: RoomMemberships;
  readonly #metadata: MetadataUpdates;
  readonly #staleness: StaleConnections;
  readonly #reconciliation: Reconciliation;
  readonly #reaper: Reaper;
  /** Reports permanent errors of background writes. */
  readonly #permanentErrors = new PermanentErrors((error) => this.#report(error, "projection"));
  readonly #lost: LostServers;
  #reprojections = 0;
  #unlisten: () => void = () => undefined;
  #background: Promise<unknown> | undefined;
  #reaping: Promise<unknown> | undefined;
  #starting: Promise<void> | undefined;
  /** Aborted when the shutdown begins. */
  readonly #stop = new AbortController();
  #shutdown: Promise<void> | undefined;

  constructor(options: ResolvedMembershipOptions) {
    this.#options = options;
    const { store, lastSeenOf, interest } = options;
    this.#lost = new LostServers(options.ids.serverId, options.onServersLost);
    this.#local = new LocalConnections({
      roomPartitionOf: (room) => partitionOf(room, store.partitions),
      userPartitionOf: (userId) => partitionOf(userId, store.partitions),
      recordPartitionOf: (connectionId) => requireConnectionId(connectionId).recordPartition,
    });
    this.#gracePeriods = new GracePeriods({
      projection: store.upkeep.projection,
      partitions: store.partitions,
      heartbeatIntervalMs: options.heartbeatIntervalMs,
      onError: (cause) => this.#report(cause, "projection"),
    });
    this.#projection = new Projection({
      store,
      local: this.#local,
      partitionBits: options.ids.partitionBits,
      lastSeenOf,
      maxPerUser: options.maxConnectionsPerUser,
      onLeaving: (userId, graceMs) => this.#gracePeriods.after(partitionOf(userId, store.partitions), graceMs),
    });
    this.#keeper = new LeaseKeeper({
      servers: options.store.servers,
      registration: {
        serverId: options.ids.serverId,
        incarnation: options.ids.incarnation,
        partitionBits: options.ids.partitionBits,
        host: options.host,
        port: options.port,
      },
      ttlMs: options.leaseTtlMs,
      intervalMs: options.heartbeatIntervalMs,
      returnWithinMs: options.deadAfterMs,
      counters: () => ({ connections: this.#local.size, rooms: this.#local.roomCount }),
      onRegained: async (lease) => {
        this.#reprojections++;
        this.#reconciliation.doubt();
        // Only queue the removals here: they wait for the lease, which counts as held only after this
        // callback.
        for (const stray of await this.#projection.strays(lease, this.#permanentErrors)) this.#removals.later(stray);
        await this.#projection.all(lease, this.#permanentErrors);
        await this.#permanentErrors.together([options.onRestored(lease)]);
      },
      onBeat: (renewal) => this.#afterBeat(renewal),
      onTaken: (error) => options.onLeaseTaken(error),
      onError: (error) => options.onError(error, { stage: "heartbeat" }),
    });
    this.#watch =
      options.deadAfterMs === 0
        ? undefined
        : new DeadServerWatch({
            servers: store.upkeep.servers,
            link: store.link,
            lease: () => (this.#keeper.held ? this.#keeper.current() : undefined),
            areMissing: () => this.#keeper.areMissing,
            deadAfterMs: options.deadAfterMs,
            onCounted: (speaking) => this.#keeper.noteSpeaking(speaking),
            onLost: () => this.#keeper.hurry(),
            onDead: ({ serverId }) => this.#onDead(serverId),
            onError: (cause) => this.#reportFailure(cause),
          });
    this.#removals = new PendingRemovals(this.#keeper, this.#projection, this.#changes, (error) =>
      this.#report(error, "projection"),
    );
    const writing = { local: this.#local, keeper: this.#keeper, projection: this.#projection, changes: this.#changes };
    const { maxMemberships, maxRooms, maxMetadataBytes } = options;
    this.#rooms = new RoomMemberships({ ...writing, removals: this.#removals, interest, maxMemberships, maxRooms });
    this.#metadata = new MetadataUpdates({ ...writing, maxBytes: maxMetadataBytes });
    this.#staleness = new StaleConnections(this.#local, options);
    this.#renewalCycle = new RenewalCycle({
      store: options.store,
      local: this.#local,
      partitionBits: options.ids.partitionBits,
      ttlMs: options.connectionTtlMs,
      beatMs: options.heartbeatIntervalMs,
    });
    this.#reconciliation = new Reconciliation(writing, options, (cause) => this.#reportFailure(cause));
    this.#reaper = new Reaper({
      store,
      claimant: nameOf(options.ids),
      claimMs: options.reapClaimMs,
      onClaimed: (serverId) => this.#lost.add(serverId),
      onRefused: (error) => this.#report(error, "reaping"),
    });
  }

  get serverId(): string {
    return this.#options.ids.serverId;
  }

  get holdsLease(): boolean {
    return this.#keeper.held;
  }

  checkLease(): Promise<boolean> {
    return this.#keeper.check();
  }

  get fault(): CmError | undefined {
    return this.#keeper.fault;
  }

  start(): Promise<void> {
    if (this.#shutdown !== undefined) return Promise.reject(shutDown());
    this.#starting ??= this.#start().catch((error: unknown) => {
      this.#starting = undefined;
      throw error;
    });
    return this.#starting;
  }

  async #start(): Promise<void> {
    await this.#acquire();
    // The shutdown waits for this start, and then releases the lease.
    this.#stop.signal.throwIfAborted();
    this.#watch?.start();
    this.#unlisten = this.#options.store.link.onState((state) => {
      // After `down`, the Redis that responds next may be a replica that lagged, or may have loaded an old
      // snapshot.
      if (state === "down") this.#keeper.doubt();
      else if (state === "in-sync") this.#keeper.recovered();
    });
    this.#staleness.start();
    // Settle the users who were still in a grace period when the last server shut down.
    await this.#attempt(() => this.#gracePeriods.sweep());
  }

  #acquire(): Promise<void> {
    const { deadAfterMs, reapClaimMs, store } = this.#options;
    return takeLease({
      store,
      serverId: this.serverId,
      deadAfterMs,
      claimMs: reapClaimMs,
      acquire: () => this.#keeper.start(),
      reap: () => this.#reaper.reap(this.serverId),
      signal: this.#stop.signal,
    });
  }

  nextConnectionId(): string {
    return this.#options.ids.next();
  }

  async open(given: NewConnection): Promise<void> {
    this.#requireRunning("open");
    const connection = newConnection(given, this.#options, (id) => this.#local.get(id) !== undefined);
    const { connectionId } = connection;
    this.#local.add(connection);
    this.#changes.begin(connectionId);
    try {
      await this.#open(connection);
    } finally {
      this.#changes.end(connectionId);
    }
  }

  async #open(connection: LocalConnection): Promise<void> {
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

  async update(connectionId: string, metadata: unknown): Promise<void> {
    this.#requireRunning("update");
    await this.#metadata.update(this.#local.require(connectionId), metadata);
  }

  async close(connectionId: string, options: CloseOptions = {}): Promise<void> {
    const { signOff } = requireFields("options", options, { signOff: true }, "{ signOff: true }");
    const connection = this.#local.get(connectionId);
    if (connection === undefined) return;
    if (signOff) connection.graceMs = 0;
    // A shutdown removes all connections from the store, including this one.
    if (this.#shutdown !== undefined) return;
    this.#metadata.forget(connection);
    await this.#removals.run({ connection, rooms: this.#rooms.forget(connection) });
  }

  async join(connectionId: string, room: string, options: JoinRoomOptions = {}): Promise<EnteredRoom | undefined> {
    this.#requireRunning("join");
    const { record } = requireFields("options", options, { record: true }, '{ record: "{}" }');
    return this.#rooms.join(connectionId, room, record);
  }

  leave(connectionId: string, room: string): Promise<void> {
    return this.#rooms.leave(connectionId, room);
  }

  async reap(serverId: string): Promise<number | undefined> {
    this.#requireRunning("reap");
    requireServerId(serverId);
    return serverId === this.serverId ? undefined : this.#reaper.reap(serverId);
  }

  async reapExpired(): Promise<number> {
    this.#requireRunning("reapExpired");
    const renewal = await this.#keeper.look();
    this.#lost.replace([...renewal.expired, ...renewal.unregistered]);
    const failures: unknown[] = [];
    const connections = await this.#reaper.reapAll(this.#lost.othersOf(renewal.expired), (cause) =>
      failures.push(cause),
    );
    if (failures.length > 0) throw failures[0];
    return connections;
  }

  stats(): MembershipStats {
    return {
      connections: this.#local.size,
      rooms: this.#local.roomCount,
      memberships: this.#local.memberships,
      users: this.#local.userCount,
      pendingRemovals: this.#removals.pending,
      reapedServers: this.#reaper.reapedServers,
      reprojections: this.#reprojections,
      leaseAgeMs: this.#keeper.ageMs,
      drift: this.#reconciliation.drift,
    };
  }

  shutdown(): Promise<void> {
    this.#shutdown ??= this.#shutDown();
    return this.#shutdown;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }

  async #shutDown(): Promise<void> {
    this.#stop.abort(shutDown());
    this.#staleness.stop();
    this.#unlisten();
    this.#reconciliation.abort();
    await this.#watch?.stop();
    // The heartbeats continue until the cleanup has stopped, because stopping it may take a while. A start that is in
    // progress may still acquire the lease; its caller gets its error.
    await Promise.all([this.#reaper.stop(), this.#reaping, this.#starting?.catch(() => undefined)]);
    await this.#keeper.stop();
    await Promise.all([this.#reconciliation.settled(), this.#background]);
    await this.#gracePeriods.stop();
    if (!(await this.#withdraw())) {
      // Keep the lease until it expires: after a release, no server would clean up the entries that are
      // left.
      return;
    }
    try {
      await this.#keeper.release();
    } catch (cause) {
      this.#report(cause, "lease");
    }
  }

  /** Removes everything from the store. Resolves with `true` if that succeeded. */
  async #withdraw(): Promise<boolean> {
    if (!this.#keeper.acquired) return true;
    try {
      const isClear = await this.#removals.finish();
      await this.#projection.withdraw(this.#keeper.current(), this.#options.offlineGraceMs, this.#permanentErrors);
      if (!isClear) throw new CmError("unavailable", "The store has not accepted all removals.");
      return true;
    } catch (cause) {
      this.#report(cause, "projection");
      return false;
    }
  }

  #afterBeat({ lease, expired, unregistered }: Renewal): void {
    this.#lost.replace([...expired, ...unregistered]);
    // At most one run of each task at a time; a slow task does not delay the others.
    this.#background ??= this.#round(lease).finally(() => {
      this.#background = undefined;
    });
    this.#reaping ??= this.#reaper
      .reapAll(this.#lost.othersOf(expired), (cause) => this.#report(cause, "reaping"))
      .finally(() => {
        this.#reaping = undefined;
      });
    this.#reconciliation.beat();
  }

  async #round(lease: Lease): Promise<void> {
    await this.#attempt(() => this.#removals.retry());
    await this.#attempt(() => this.#metadata.retry());
    await this.#attempt(() => this.#renewalCycle.beat(lease));
    await this.#attempt(() => this.#gracePeriods.sweep());
  }

  /**
   * Cleans up after a dead server at once, instead of waiting for the heartbeat that would also report the
   * server.
   */
  #onDead(serverId: string): void {
    this.#lost.add(serverId);
    this.#reaper.reap(serverId).catch((cause: unknown) => this.#report(cause, "reaping"));
  }

  /** Runs one task of a round. A failure is reported and does not prevent the other tasks from running. */
  async #attempt(task: () => Promise<unknown>): Promise<void> {
    try {
      await task();
    } catch (cause) {
      this.#reportFailure(cause);
    }
  }

  /** Reports permanent errors once an hour, other errors each time. */
  #reportFailure(cause: unknown): void {
    if (isPermanentError(cause)) this.#permanentErrors.report(cause);
    else this.#report(cause, "projection");
  }

  #report(cause: unknown, stage: "projection" | "lease" | "reaping"): void {
    const error = toCmError(cause, "internal", "A background task of the membership failed.");
    // Ignore `closed` errors once the shutdown has begun, because the shutdown causes them.
    if (this.#shutdown === undefined || error.code !== "closed") this.#options.onError(error, { stage });
  }

  #requireRunning(call: string): void {
    if (this.#shutdown !== undefined) throw shutDown();
    if (!this.#keeper.acquired) throw notStarted(`membership.${call}`);
  }
}

function shutDown(): CmError {
  return new CmError("closed", "The membership was shut down.");
}
