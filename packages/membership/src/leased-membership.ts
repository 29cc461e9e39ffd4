import {
  CmError,
  type EnteredRoom,
  isCmError,
  type Lease,
  type Renewal,
  requireConnectionId,
  requireName,
  requireServerId,
  toCmError,
} from "@cm/protocol";
import { GracePeriods } from "./connections/grace-periods.js";
import { type LocalConnection, LocalConnections } from "./connections/local-connections.js";
import { serializeMetadata } from "./connections/metadata.js";
import { PendingRemovals } from "./connections/pending-removals.js";
import { WriteGuard } from "./connections/write-guard.js";
import { DeadServerWatch } from "./lease/dead-server-watch.js";
import { LeaseKeeper } from "./lease/lease-keeper.js";
import { RenewalCycle } from "./lease/renewal-cycle.js";
import { isHolderDead } from "./lease/takeover.js";
import type { CloseOptions, JoinRoomOptions, Membership, MembershipStats, NewConnection } from "./membership.js";
import { type MembershipOptions, type ResolvedMembershipOptions, resolveMembershipOptions } from "./options.js";
import { isPermanentError, PermanentErrors } from "./projection/permanent-errors.js";
import { Projection } from "./projection/projection.js";
import { Reaper } from "./reaping/reaper.js";
import { DriftTally } from "./reconcile/drift-report.js";
import { OwnerReconciler } from "./reconcile/owner-reconciler.js";
import { SharedStateReconciler } from "./reconcile/shared-state-reconciler.js";

/** Makes a membership. Throws `options-invalid`; touches nothing until `start`. */
export function createMembership(options: MembershipOptions): Membership {
  return new LeasedMembership(resolveMembershipOptions(options));
}

class LeasedMembership implements Membership {
  readonly #options: ResolvedMembershipOptions;
  readonly #local: LocalConnections;
  readonly #changes = new WriteGuard();
  readonly #projection: Projection;
  readonly #keeper: LeaseKeeper;
  /** Absent where the lease alone decides who is alive. */
  readonly #watch: DeadServerWatch | undefined;
  readonly #upkeep: RenewalCycle;
  readonly #removals: PendingRemovals;
  readonly #settling: GracePeriods;
  /** Connections whose metadata the store has not taken. */
  readonly #outdated = new Set<LocalConnection>();
  readonly #ownState: OwnerReconciler;
  readonly #sharedState: SharedStateReconciler;
  readonly #drift = new DriftTally();
  readonly #reaper: Reaper;
  /** Permanent errors of background writes. */
  readonly #refusals = new PermanentErrors((error) => this.#report(error, "projection"));
  /** Servers that the last heartbeat named, or that were claimed since. */
  #lost: ReadonlySet<string> = new Set();
  #reprojections = 0;
  readonly #stopChecking = new AbortController();
  #staleTimer: NodeJS.Timeout | undefined;
  #unlisten: () => void = () => undefined;
  #background: Promise<unknown> | undefined;
  #reaping: Promise<unknown> | undefined;
  #checking: Promise<unknown> | undefined;
  #starting: Promise<void> | undefined;
  #shutdown: Promise<void> | undefined;

  constructor(options: ResolvedMembershipOptions) {
    this.#options = options;
    const { store, lastSeenOf } = options;
    this.#local = new LocalConnections({
      roomPartitionOf: (room) => store.partitioning.partitionOf(room),
      userPartitionOf: (userId) => store.partitioning.partitionOf(userId),
      shelfOf: (connectionId) => requireConnectionId(connectionId).shelf,
    });
    this.#settling = new GracePeriods({
      projection: store.upkeep.projection,
      partitions: store.partitioning.partitions,
      heartbeatIntervalMs: options.heartbeatIntervalMs,
      onError: (cause) => this.#report(cause, "projection"),
    });
    this.#projection = new Projection({
      store,
      local: this.#local,
      shelfBits: options.ids.shelfBits,
      lastSeenOf,
      maxPerUser: options.maxConnectionsPerUser,
      onLeaving: (userId, graceMs) => this.#settling.after(store.partitioning.partitionOf(userId), graceMs),
    });
    this.#keeper = new LeaseKeeper({
      servers: options.store.servers,
      registration: {
        serverId: options.ids.serverId,
        incarnation: options.ids.incarnation,
        shelfBits: options.ids.shelfBits,
        host: options.host,
        port: options.port,
      },
      ttlMs: options.leaseTtlMs,
      intervalMs: options.heartbeatIntervalMs,
      counters: () => ({ connections: this.#local.size, rooms: this.#local.roomCount }),
      onRegained: async (lease) => {
        this.#reprojections++;
        this.#sharedState.doubt();
        // Removed afterwards: removals wait for the lease, which waits for this.
        for (const stray of await this.#projection.strays(lease, this.#refusals)) this.#removals.later(stray);
        await this.#projection.all(lease, this.#refusals);
        await this.#refusals.together([options.onRestored(lease)]);
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
            lease: () => this.#keeper.current(),
            deadAfterMs: options.deadAfterMs,
            onLost: () => this.#keeper.hurry(),
            onDead: ({ serverId }) => this.#onDead(serverId),
            onError: (cause) => this.#tell(cause),
          });
    this.#removals = new PendingRemovals(this.#keeper, this.#projection, this.#changes, (error) =>
      this.#report(error, "projection"),
    );
    this.#upkeep = new RenewalCycle({
      store: options.store,
      local: this.#local,
      shelfBits: options.ids.shelfBits,
      ttlMs: options.connectionTtlMs,
      beatMs: options.heartbeatIntervalMs,
    });
    const looks = {
      store,
      beats: Math.max(1, Math.floor(options.cleanupIntervalMs / options.heartbeatIntervalMs)),
      tally: this.#drift,
      onDrift: options.onDrift,
      onError: (error: CmError) => this.#tell(error),
    };
    this.#ownState = new OwnerReconciler({
      ...looks,
      local: this.#local,
      changes: this.#changes,
      projection: this.#projection,
      lease: () => this.#keeper.current(),
      shelfBits: options.ids.shelfBits,
    });
    this.#sharedState = new SharedStateReconciler({
      ...looks,
      self: options.ids,
      // A server that has not registered again by then holds no lease under any clock.
      graceMs: options.leaseTtlMs + options.heartbeatIntervalMs,
      keepMs: options.leaseTtlMs + 3 * Math.max(options.cleanupIntervalMs, options.heartbeatIntervalMs),
      claimMs: options.reapClaimMs,
    });
    this.#reaper = new Reaper({
      store,
      claimant: `${options.ids.serverId}.${options.ids.incarnation}`,
      claimMs: options.reapClaimMs,
      onClaimed: (serverId) => this.#noteLost([serverId, ...this.#lost]),
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
    this.#watch?.start();
    this.#unlisten = this.#options.store.link.onState((state) => {
      // The next Redis to answer may be a lagging replica, or have read an old snapshot.
      if (state === "down") this.#keeper.doubt();
      else if (state === "in-sync") this.#keeper.recovered();
    });
    this.#staleTimer = setInterval(() => this.#reportStale(), this.#options.cleanupIntervalMs);
    this.#staleTimer.unref();
    // Whoever was leaving when the last server closed has waited for this.
    await this.#attempt(() => this.#settling.sweep());
  }

  /** Takes the lease, also from an earlier process under this id that has died. */
  async #acquire(): Promise<void> {
    const { deadAfterMs, store } = this.#options;
    try {
      await this.#keeper.start();
      return;
    } catch (error) {
      if (!isCmError(error)) throw error;
      const isDead =
        error.code === "server-id-taken" && deadAfterMs > 0 && (await isHolderDead(store, this.serverId, deadAfterMs));
      if (!isDead && error.code !== "server-id-expired") throw error;
    }
    // Nobody has cleaned up after it yet.
    await this.#reaper.reap(this.serverId);
    await this.#keeper.start();
  }

  nextConnectionId(): string {
    return this.#options.ids.next();
  }

  async open({ connectionId, userId, metadata }: NewConnection): Promise<void> {
    this.#requireRunning();
    requireName(userId, "user");
    const { ids, now, maxMetadataBytes, offlineGraceMs } = this.#options;
    if (!connectionId.startsWith(`${ids.serverId}.${ids.incarnation}`) || this.#local.get(connectionId) !== undefined) {
      throw new CmError("id-invalid", "This is not a fresh connection id of this server.");
    }
    const connection: LocalConnection = {
      connectionId,
      userId,
      connectedAt: now(),
      metadata: serializeMetadata(metadata, maxMetadataBytes),
      graceMs: offlineGraceMs,
      isAnnounced: false,
      rooms: new Set(),
      joining: new Map(),
    };
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
      // Joins may be under way already.
      const removal = { connection, rooms: this.#forget(connection) };
      // The store answers: the place is free again by the time that the caller hears of it.
      if (isCmError(error) && error.code === "connections-limit") await this.#removals.run(removal);
      else this.#removals.later(removal);
      throw error;
    }
    // The socket may have closed meanwhile, and its removal been overtaken by a retry.
    if (this.#local.get(connectionId) !== connection) await this.#removals.run({ connection, rooms: [] });
  }

  async update(connectionId: string, metadata: unknown): Promise<void> {
    this.#requireRunning();
    const connection = this.#local.require(connectionId);
    connection.metadata = serializeMetadata(metadata, this.#options.maxMetadataBytes);
    connection.isAnnounced = false;
    try {
      await this.#changes.run(connectionId, () =>
        this.#keeper.write((lease) => this.#projection.update(lease, connection)),
      );
    } catch (error) {
      if (this.#local.get(connectionId) === connection) this.#outdated.add(connection);
      throw error;
    }
  }

  async close(connectionId: string, { signOff = false }: CloseOptions = {}): Promise<void> {
    const connection = this.#local.get(connectionId);
    if (connection === undefined) return;
    if (signOff) connection.graceMs = 0;
    // A shutdown takes all out of the store, this one among them.
    if (this.#shutdown !== undefined) return;
    this.#outdated.delete(connection);
    await this.#removals.run({ connection, rooms: this.#forget(connection) });
  }

  async join(connectionId: string, room: string, { record }: JoinRoomOptions = {}): Promise<EnteredRoom | undefined> {
    this.#requireRunning();
    requireName(room, "room");
    const connection = this.#local.require(connectionId);
    const joining = connection.joining.get(room);
    if (joining !== undefined) return joining;
    if (connection.rooms.has(room)) return this.#local.enteredRoom(room);
    this.#requireCapacity(room);
    this.#local.enter(connection, room);
    this.#changes.begin(connectionId);
    const attempt = this.#join(connection, room, record).finally(() => {
      this.#changes.end(connectionId);
      if (connection.joining.get(room) === attempt) connection.joining.delete(room);
    });
    connection.joining.set(room, attempt);
    return attempt;
  }

  #requireCapacity(room: string): void {
    const { maxMemberships, maxRooms } = this.#options;
    const limit =
      maxMemberships > 0 && this.#local.memberships >= maxMemberships
        ? "maxMemberships"
        : maxRooms > 0 && this.#local.roomCount >= maxRooms && !this.#local.hasRoom(room)
          ? "maxRooms"
          : undefined;
    if (limit === undefined) return;
    const what = limit === "maxRooms" ? "rooms" : "members of rooms";
    throw new CmError("capacity-reached", `The server has as many ${what} as it may.`, { details: { limit } });
  }

  /** Takes a connection out of the truth; the rooms that it was in. */
  #forget(connection: LocalConnection): string[] {
    const rooms = [...connection.rooms];
    this.#local.delete(connection);
    connection.rooms.clear();
    for (const room of rooms) this.#options.interest.exit(room);
    return rooms;
  }

  async #join(connection: LocalConnection, room: string, record: string | undefined): Promise<EnteredRoom | undefined> {
    // Both at once: the join costs one round trip.
    const [live, written] = await Promise.allSettled([
      this.#options.interest.enter(room),
      this.#changes.run(connection.connectionId, async () => {
        await this.#removals.ofRoom(connection, room);
        await this.#keeper.write((lease) => this.#projection.join(lease, connection, room, record));
      }),
    ]);
    const stayed = connection.rooms.has(room);
    if (live.status === "fulfilled" && written.status === "fulfilled" && stayed) {
      this.#local.entered(room, live.value);
      return live.value;
    }
    if (stayed) {
      this.#local.exit(connection, room);
      if (live.status === "fulfilled") this.#options.interest.exit(room);
    }
    // Where it left or closed meanwhile, that call's removal may have been overtaken by a retry.
    await this.#removals.run({ connection, rooms: [room] });
    if (live.status === "rejected") throw live.reason;
    if (written.status === "rejected") throw written.reason;
    throw new CmError("not-found", "The connection left while it was joining.");
  }

  async leave(connectionId: string, room: string): Promise<void> {
    const connection = this.#local.get(connectionId);
    if (connection === undefined || !connection.rooms.has(room)) return;
    this.#local.exit(connection, room);
    connection.joining.delete(room);
    this.#options.interest.exit(room);
    await this.#removals.run({ connection, rooms: [room] });
  }

  async reap(serverId: string): Promise<number | undefined> {
    this.#requireRunning();
    requireServerId(serverId);
    this.#keeper.current();
    return serverId === this.serverId ? undefined : this.#reaper.reap(serverId);
  }

  async reapExpired(): Promise<number> {
    this.#requireRunning();
    const renewal = await this.#keeper.look();
    this.#noteLost([...renewal.expired, ...renewal.unregistered]);
    const failures: unknown[] = [];
    const connections = await this.#reaper.reapAll(this.#othersOf(renewal.expired), (cause) => failures.push(cause));
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
      drift: this.#drift.stats(),
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
    clearInterval(this.#staleTimer);
    this.#unlisten();
    this.#stopChecking.abort();
    await this.#watch?.stop();
    await this.#keeper.stop();
    await Promise.all([this.#reaper.stop(), this.#reaping, this.#checking, this.#background]);
    await this.#settling.stop();
    if (!(await this.#withdraw())) {
      // The lease is left to run out: otherwise no server would find what is still there.
      return;
    }
    try {
      await this.#keeper.release();
    } catch (cause) {
      this.#report(cause, "lease");
    }
  }

  /** Takes everything out of the store; whether that is so. */
  async #withdraw(): Promise<boolean> {
    if (!this.#keeper.acquired) return true;
    try {
      const isClear = await this.#removals.finish();
      await this.#projection.withdraw(this.#keeper.current(), this.#options.offlineGraceMs, this.#refusals);
      if (!isClear) throw new CmError("unavailable", "The store has not taken all removals.");
      return true;
    } catch (cause) {
      this.#report(cause, "projection");
      return false;
    }
  }

  #afterBeat({ lease, expired, unregistered }: Renewal): void {
    this.#noteLost([...expired, ...unregistered]);
    // One of each at a time, and a slow one does not delay the others.
    this.#background ??= this.#round(lease).finally(() => {
      this.#background = undefined;
    });
    this.#reaping ??= this.#reaper
      .reapAll(this.#othersOf(expired), (cause) => this.#report(cause, "reaping"))
      .finally(() => {
        this.#reaping = undefined;
      });
    const { signal } = this.#stopChecking;
    this.#checking ??= Promise.all([this.#ownState.beat(signal), this.#sharedState.beat(signal)]).finally(() => {
      this.#checking = undefined;
    });
  }

  async #round(lease: Lease): Promise<void> {
    await this.#attempt(() => this.#removals.retry());
    await this.#attempt(() => this.#updateOutdated());
    await this.#attempt(() => this.#upkeep.beat(lease));
    await this.#attempt(() => this.#settling.sweep());
  }

  /** Does not wait for a heartbeat, which would find it too. */
  #onDead(serverId: string): void {
    this.#noteLost([serverId, ...this.#lost]);
    this.#reaper.reap(serverId).catch((cause: unknown) => this.#report(cause, "reaping"));
  }

  #othersOf(serverIds: readonly string[]): string[] {
    return serverIds.filter((serverId) => serverId !== this.serverId);
  }

  /** Tells of those that were not named before. */
  #noteLost(serverIds: readonly string[]): void {
    const known = this.#lost;
    this.#lost = new Set(this.#othersOf(serverIds));
    const news = [...this.#lost].filter((serverId) => !known.has(serverId));
    if (news.length > 0) this.#options.onServersLost(news);
  }

  /** Writes the metadata that the store has not taken; ends with the first failure. */
  async #updateOutdated(): Promise<void> {
    for (const connection of this.#outdated) {
      await this.#changes.run(connection.connectionId, () =>
        this.#keeper.write((current) => this.#projection.update(current, connection)),
      );
      this.#outdated.delete(connection);
    }
  }

  /** One task of a round: a failure is reported and does not keep the others from running. */
  async #attempt(task: () => Promise<unknown>): Promise<void> {
    try {
      await task();
    } catch (cause) {
      this.#tell(cause);
    }
  }

  /** Of what the store refuses once an hour; of anything else each time. */
  #tell(cause: unknown): void {
    if (isPermanentError(cause)) this.#refusals.tell(cause);
    else this.#report(cause, "projection");
  }

  #reportStale(): void {
    const { now, staleConnectionTimeoutMs, lastSeenOf, onStale } = this.#options;
    const before = now() - staleConnectionTimeoutMs;
    for (const { connectionId } of this.#local.all()) {
      const lastSeen = lastSeenOf(connectionId);
      if (lastSeen !== undefined && lastSeen < before) onStale(connectionId);
    }
  }

  #report(cause: unknown, stage: "projection" | "lease" | "reaping"): void {
    this.#options.onError(toCmError(cause, "internal", "A background task of the membership failed."), { stage });
  }

  #requireRunning(): void {
    if (this.#shutdown !== undefined) throw shutDown();
  }
}

function shutDown(): CmError {
  return new CmError("closed", "The membership was shut down.");
}
