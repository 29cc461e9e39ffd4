import type { AnnouncedMember, ConnectionRecord, DepartureReason, Lease, UserConnection } from "@cm/protocol";
import { awaitAll } from "@cm/protocol/turns";
import { batches } from "../batches.js";
import { NO_ROOMS, type OwnedConnection } from "../connections/owned-connection.js";
import { announcedMember, type OwnedConnections } from "../connections/owned-connections.js";
import type { MembershipStore } from "../options.js";
import { isPassingError, type PermanentErrors } from "./permanent-errors.js";
import { TurnCalls } from "./turn-calls.js";

/** Number of connections per batch when all connections are written or removed. */
const BATCH = 500;

/** Number of rooms per batch when the rooms of a batch of connections are joined or left. */
const ROOMS_AT_ONCE = 100;

/** Number of record partitions read at a time. */
const PARTITIONS_AT_ONCE = 32;

/** The rooms to be removed from the store for a connection that closed or left rooms. */
export interface Removal {
  readonly connection: OwnedConnection;
  readonly rooms: readonly string[];
}

/** Options of {@link Projection}. */
export interface ProjectionOptions {
  readonly store: MembershipStore;
  readonly local: OwnedConnections;
  readonly partitionBits: number;
  readonly lastSeenOf: (connectionId: string) => number | undefined;
  /** Maximum number of connections per user; 0: no limit. */
  readonly maxPerUser: number;
  /** Called when a user may have lost the last connection and stays online for `graceMs`. */
  readonly onLeaving: (userId: string, graceMs: number) => void;
}

/** Writes this server's local state into the store. */
export class Projection {
  readonly #store: MembershipStore;
  readonly #local: OwnedConnections;
  readonly #recordPartitions: number;
  readonly #lastSeenOf: ProjectionOptions["lastSeenOf"];
  readonly #onLeaving: ProjectionOptions["onLeaving"];
  readonly #records: TurnCalls<ConnectionRecord>;
  readonly #users: TurnCalls<UserConnection>;
  /** Joins that announce new members; the target is the room. */
  readonly #members: TurnCalls<AnnouncedMember>;
  readonly #closedRecords: TurnCalls<string>;
  /** Removals of users' connections; the target is the grace period in milliseconds. */
  readonly #closedUsers: TurnCalls<UserConnection>;
  /** Departures of members; the target is the reason and the room, see `targetOf`. */
  readonly #goneMembers: TurnCalls<AnnouncedMember>;

  constructor({ store, local, partitionBits, lastSeenOf, maxPerUser, onLeaving }: ProjectionOptions) {
    this.#store = store;
    this.#local = local;
    this.#recordPartitions = 2 ** partitionBits;
    this.#lastSeenOf = lastSeenOf;
    this.#onLeaving = onLeaving;
    this.#records = new TurnCalls((lease, _, records) => store.connections.put(lease, records, { keepsRooms: true }));
    this.#users = new TurnCalls((lease, _, connections) => store.users.add(lease, connections, { maxPerUser }));
    this.#members = new TurnCalls((lease, room, members) => store.rooms.join(lease, room, members));
    this.#closedRecords = new TurnCalls((lease, _, ids) => store.connections.remove(lease, ids));
    this.#closedUsers = new TurnCalls((lease, graceMs, connections) =>
      store.users.remove(lease, connections, { graceMs: Number(graceMs) }),
    );
    this.#goneMembers = new TurnCalls((lease, target, members) => {
      const [reason, room] = readTarget(target);
      return store.rooms.leave(lease, room, members, reason);
    });
  }

  async open(lease: Lease, connection: OwnedConnection): Promise<void> {
    await awaitAll<void>(
      [this.#records.add(lease, "", this.recordOf(connection)), this.#users.add(lease, "", userConnection(connection))],
      isPassingError,
    );
    connection.isAnnounced = true;
  }

  async join(lease: Lease, connection: OwnedConnection, room: string, record: string | undefined): Promise<void> {
    const entry = this.#record(connection, [room]);
    const member = announcedMember(connection);
    if (record !== undefined) {
      await awaitAll(
        [this.#records.add(lease, "", entry), this.#store.rooms.join(lease, room, [member], { record })],
        isPassingError,
      );
      return;
    }
    const ofRecord = this.#records.enqueue(lease, "", entry);
    const ofRoom = this.#members.enqueue(lease, room, member);
    // Waiting for one after the other takes fewer promises than waiting for both at once.
    try {
      await this.#records.written(ofRecord, entry);
    } catch (error) {
      await awaitAll([Promise.reject(error), this.#members.written(ofRoom, member)], isPassingError);
    }
    await this.#members.written(ofRoom, member);
  }

  /** Writes the connection's current metadata. */
  async update(lease: Lease, connection: OwnedConnection): Promise<void> {
    if (!this.isOpen(connection)) return;
    const member = announcedMember(connection);
    await awaitAll(
      [
        this.#store.users.add(lease, [userConnection(connection)], { onlyExisting: true }),
        ...[...connection.rooms].map((room) => this.#store.rooms.join(lease, room, [member], { onlyExisting: true })),
      ],
      isPassingError,
    );
    connection.isAnnounced = member.metadata === connection.metadata;
  }

  /**
   * Removes the connection from rooms, and from its user if the connection is closed. Uses the local state at
   * the time of the call: a room that the connection has joined again since is kept.
   */
  async removeMemberships(lease: Lease, { connection, rooms }: Removal): Promise<void> {
    const isOpen = this.isOpen(connection);
    const gone = rooms.filter((room) => !(isOpen && connection.rooms.has(room)));
    const { userId, graceMs } = connection;
    const member = announcedMember(connection);
    await awaitAll(
      [
        ...(isOpen ? [] : [this.#closedUsers.add(lease, String(graceMs), userConnection(connection))]),
        ...gone.map((room) => this.#goneMembers.add(lease, targetOf(isOpen ? "left" : "closed", room), member)),
      ],
      isPassingError,
    );
    if (!isOpen && graceMs > 0 && !this.#local.hasUser(userId)) this.#onLeaving(userId, graceMs);
  }

  /**
   * Removes rooms from the connection's record, or the whole record if the connection is closed. Must be
   * called after the memberships are removed, because the server that cleans up after this one finds the
   * memberships through the record. Uses the local state at the time of the call, like {@link removeMemberships}.
   */
  async updateRecord(lease: Lease, { connection, rooms }: Removal): Promise<void> {
    const { connectionId } = connection;
    if (!this.isOpen(connection)) {
      await this.#closedRecords.add(lease, "", connectionId);
      return;
    }
    const gone = rooms.filter((room) => !connection.rooms.has(room));
    if (gone.length > 0) await this.#store.connections.remove(lease, [connectionId], { rooms: gone });
  }

  /**
   * Writes everything again after the store lost it or the lease was acquired again, in consecutive batches, so
   * that the store can serve other callers between two batches. Connections and joins that watchers already know of
   * are written without an announcement; those still in progress are announced. If the lease says that a reaper has
   * removed this server's entries, all are announced. A permanent error of one write does not stop the others.
   */
  async all(lease: Lease, permanentErrors: PermanentErrors): Promise<void> {
    const isQuiet = !lease.wasReaped;
    for (const batch of batches(this.#local.all(), BATCH)) {
      const known = batch.filter(({ isAnnounced }) => isQuiet && isAnnounced);
      const news = batch.filter(({ isAnnounced }) => !(isQuiet && isAnnounced));
      await permanentErrors.awaitAccepted([
        this.#store.connections.put(
          lease,
          batch.map((connection) => this.recordOf(connection)),
        ),
        ...this.#add(lease, known, true),
        ...this.#add(lease, news, false),
      ]);
      for (const rooms of batches(byRoom(batch), ROOMS_AT_ONCE)) {
        await permanentErrors.awaitAccepted(
          rooms.flatMap(([room, connections]) => this.#joinAnew(lease, room, connections, isQuiet)),
        );
      }
    }
  }

  /**
   * Finds the entries in the store's records of this server that are outdated because the store came back
   * with older data. Must be called before {@link all} overwrites the records.
   */
  async strays(lease: Lease, permanentErrors: PermanentErrors): Promise<Removal[]> {
    const strays: Removal[] = [];
    for (let from = 0; from < this.#recordPartitions; from += PARTITIONS_AT_ONCE) {
      const count = Math.min(PARTITIONS_AT_ONCE, this.#recordPartitions - from);
      const reads = Array.from({ length: count }, (_, i) =>
        this.#store.upkeep.projection.held(lease, "records", from + i),
      );
      for (const record of (await permanentErrors.awaitAccepted(reads)).flat()) strays.push(...this.#straysOf(record));
    }
    return strays;
  }

  /**
   * Removes everything in batches, before the lease is released. An entry that the store refuses to remove is
   * only reported: no other server could remove it either.
   */
  async withdraw(lease: Lease, graceMs: number, permanentErrors: PermanentErrors): Promise<void> {
    for (const batch of batches(this.#local.all(), BATCH)) {
      await permanentErrors.awaitAccepted([this.#store.users.remove(lease, batch.map(userConnection), { graceMs })]);
      for (const rooms of batches(byRoom(batch), ROOMS_AT_ONCE)) {
        await permanentErrors.awaitAccepted(
          rooms.map(([room, members]) => this.#store.rooms.leave(lease, room, members.map(announcedMember), "closed")),
        );
      }
      const ids = batch.map(({ connectionId }) => connectionId);
      await permanentErrors.awaitAccepted([this.#store.connections.remove(lease, ids)]);
    }
  }

  #add(lease: Lease, connections: readonly OwnedConnection[], quiet: boolean): Promise<void>[] {
    return connections.length === 0 ? [] : [this.#store.users.add(lease, connections.map(userConnection), { quiet })];
  }

  /**
   * Writes the connections as members of the room again, except those that have left it or closed since the
   * batch began.
   */
  #joinAnew(
    lease: Lease,
    room: string,
    connections: readonly OwnedConnection[],
    isQuiet: boolean,
  ): readonly Promise<void>[] {
    const members = connections.filter((connection) => this.isOpen(connection) && connection.rooms.has(room));
    const isKnown = ({ joining }: OwnedConnection): boolean => isQuiet && joining?.has(room) !== true;
    const known = members.filter(isKnown);
    const news = members.filter((connection) => !isKnown(connection));
    return [
      ...(known.length === 0 ? [] : [this.#store.rooms.join(lease, room, known.map(announcedMember), { quiet: true })]),
      ...(news.length === 0 ? [] : [this.#store.rooms.join(lease, room, news.map(announcedMember), { quiet: false })]),
    ];
  }

  #straysOf({ connectionId, userId, connectedAt, rooms }: ConnectionRecord): Removal[] {
    const connection = this.#local.get(connectionId);
    if (connection === undefined) return [{ connection: strayConnection(connectionId, userId, connectedAt), rooms }];
    const left = rooms.filter((room) => !connection.rooms.has(room));
    return left.length === 0 ? [] : [{ connection, rooms: left }];
  }

  /** Whether the connection is still open on this server. */
  isOpen(connection: OwnedConnection): boolean {
    return this.#local.get(connection.connectionId) === connection;
  }

  /** Returns the connection's record according to the local state. */
  recordOf(connection: OwnedConnection): ConnectionRecord {
    return this.#record(connection, [...connection.rooms]);
  }

  #record({ connectionId, userId, connectedAt }: OwnedConnection, rooms: readonly string[]): ConnectionRecord {
    return { connectionId, userId, connectedAt, lastSeen: this.#lastSeenOf(connectionId) ?? connectedAt, rooms };
  }
}

/**
 * Creates a placeholder for a connection that only the store still contains. Watchers were notified long ago
 * that this connection is gone.
 */
function strayConnection(connectionId: string, userId: string, connectedAt: number): OwnedConnection {
  return {
    connectionId,
    userId,
    connectedAt,
    metadata: undefined,
    graceMs: 0,
    isAnnounced: true,
    rooms: NO_ROOMS,
    joining: undefined,
  };
}

/** The reason for which a member of this server left a room. Only the reaper uses `lost`. */
type OwnReason = Exclude<DepartureReason, "lost">;

/**
 * Returns the write target of a departure. No reason contains a space, so `readTarget` can split the target.
 */
function targetOf(reason: OwnReason, room: string): string {
  return `${reason} ${room}`;
}

function readTarget(target: string): readonly [OwnReason, string] {
  const at = target.indexOf(" ");
  return [target.slice(0, at) === "closed" ? "closed" : "left", target.slice(at + 1)];
}

/** A user's connection and a room's member are announced with the same fields. */
const userConnection: (connection: OwnedConnection) => UserConnection = announcedMember;

function byRoom(connections: readonly OwnedConnection[]): Map<string, OwnedConnection[]> {
  const rooms = new Map<string, OwnedConnection[]>();
  for (const connection of connections) {
    for (const room of connection.rooms) {
      const members = rooms.get(room);
      if (members === undefined) rooms.set(room, [connection]);
      else members.push(connection);
    }
  }
  return rooms;
}
