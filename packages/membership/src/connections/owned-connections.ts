import { type AnnouncedMember, CmError, type EnteredRoom } from "@cm/protocol";

/** A connection of this server, as known by this server, its owner. */
export interface OwnedConnection {
  readonly connectionId: string;
  readonly userId: string;
  /** When the connection was opened, in milliseconds since the Unix epoch. */
  readonly connectedAt: number;
  /** The rooms that the connection is in or joining. Changed only by {@link OwnedConnections}. */
  rooms: ReadonlySet<string>;
  /** The connection's metadata as JSON text. */
  metadata: string | undefined;
  /** Time in milliseconds that the user stays online after this connection is closed, if it was the user's last one. */
  graceMs: number;
  /** Whether the store has acknowledged the connection with its current metadata, so that watchers were notified. */
  isAnnounced: boolean;
  /**
   * Joins that the store or the bus has not acknowledged yet; `undefined` if there are none. Their rooms are already
   * in `rooms`.
   */
  joining: Map<string, Promise<EnteredRoom | undefined>> | undefined;
}

/** The rooms of a connection that is in none: one object for all such connections. */
export const NO_ROOMS: ReadonlySet<string> = new Set();

/** A room with local members. */
interface LocalRoom {
  /** The room's local members. A single member is stored without a set. */
  members: OwnedConnection | Set<OwnedConnection>;
  /** The result of the latest join, which later joiners of the room also get. */
  entered: EnteredRoom | undefined;
}

/** How the store shards its data, so that one shard at a time can be compared with the local state. */
export interface Partitioning {
  roomPartitionOf(room: string): number;
  userPartitionOf(userId: string): number;
  recordPartitionOf(connectionId: string): number;
}

/** The local state: this server's connections and the rooms that they are in. */
export class OwnedConnections {
  readonly #partitioning: Partitioning;
  readonly #byId = new Map<string, OwnedConnection>();
  /** Rooms with at least one local member. */
  readonly #rooms = new Map<string, LocalRoom>();
  /** Number of local connections by user id. */
  readonly #users = new Map<string, number>();
  readonly #roomPartitions = new PartitionIndex<string>();
  readonly #userPartitions = new PartitionIndex<OwnedConnection>();
  readonly #recordPartitions = new PartitionIndex<OwnedConnection>();
  #memberships = 0;

  constructor(slicing: Partitioning) {
    this.#partitioning = slicing;
  }

  get size(): number {
    return this.#byId.size;
  }

  get roomCount(): number {
    return this.#rooms.size;
  }

  /** Number of room memberships: each connection counts once for each of its rooms. */
  get memberships(): number {
    return this.#memberships;
  }

  get userCount(): number {
    return this.#users.size;
  }

  /** Adds a connection. Throws `id-invalid` if the connection id contains no valid record partition. */
  add(connection: OwnedConnection): void {
    this.#recordPartitions.add(this.#partitioning.recordPartitionOf(connection.connectionId), connection);
    this.#userPartitions.add(this.#partitioning.userPartitionOf(connection.userId), connection);
    this.#byId.set(connection.connectionId, connection);
    this.#users.set(connection.userId, (this.#users.get(connection.userId) ?? 0) + 1);
  }

  /** Removes a connection and its room memberships. */
  delete(connection: OwnedConnection): void {
    const { rooms } = connection;
    connection.rooms = NO_ROOMS;
    if (!this.#byId.delete(connection.connectionId)) return;
    for (const room of rooms) this.#forgetMember(connection, room);
    const count = (this.#users.get(connection.userId) ?? 1) - 1;
    if (count === 0) this.#users.delete(connection.userId);
    else this.#users.set(connection.userId, count);
    this.#userPartitions.delete(this.#partitioning.userPartitionOf(connection.userId), connection);
    this.#recordPartitions.delete(this.#partitioning.recordPartitionOf(connection.connectionId), connection);
  }

  enter(connection: OwnedConnection, room: string): void {
    const rooms = connection.rooms === NO_ROOMS ? new Set<string>() : (connection.rooms as Set<string>);
    connection.rooms = rooms.add(room);
    this.#memberships++;
    const entered = this.#rooms.get(room);
    if (entered !== undefined) {
      if (!(entered.members instanceof Set)) entered.members = new Set([entered.members]);
      entered.members.add(connection);
      return;
    }
    this.#rooms.set(room, { members: connection, entered: undefined });
    this.#roomPartitions.add(this.#partitioning.roomPartitionOf(room), room);
  }

  exit(connection: OwnedConnection, room: string): void {
    if (!connection.rooms.has(room)) return;
    const rooms = connection.rooms as Set<string>;
    rooms.delete(room);
    if (rooms.size === 0) connection.rooms = NO_ROOMS;
    this.#forgetMember(connection, room);
  }

  /** Stores the join result of a room whose channel is now subscribed on this server. */
  entered(room: string, entered: EnteredRoom | undefined): void {
    const local = this.#rooms.get(room);
    if (local !== undefined) local.entered = entered;
  }

  /** Returns the value last passed to {@link entered} for a room with local members. */
  enteredRoom(room: string): EnteredRoom | undefined {
    return this.#rooms.get(room)?.entered;
  }

  get(connectionId: string): OwnedConnection | undefined {
    return this.#byId.get(connectionId);
  }

  require(connectionId: string): OwnedConnection {
    const connection = this.#byId.get(connectionId);
    if (connection === undefined) throw new CmError("not-found", "The connection is not on this server.");
    return connection;
  }

  all(): MapIterator<OwnedConnection> {
    return this.#byId.values();
  }

  roomNames(): MapIterator<string> {
    return this.#rooms.keys();
  }

  /** Returns the rooms of the partition that have local members. */
  roomsOfPartition(partition: number): Iterable<string> {
    return this.#roomPartitions.of(partition);
  }

  membersOf(room: string): Iterable<OwnedConnection> {
    const members = this.#rooms.get(room)?.members ?? [];
    return Symbol.iterator in members ? members : [members];
  }

  /** Returns the local connections of the users in a partition. */
  connectionsOfPartition(partition: number): Iterable<OwnedConnection> {
    return this.#userPartitions.of(partition);
  }

  /** Returns the local connections whose records are in a record partition. */
  connectionsInPartition(recordPartition: number): Iterable<OwnedConnection> {
    return this.#recordPartitions.of(recordPartition);
  }

  hasRoom(room: string): boolean {
    return this.#rooms.has(room);
  }

  hasUser(userId: string): boolean {
    return this.#users.has(userId);
  }

  userIds(): MapIterator<string> {
    return this.#users.keys();
  }

  #forgetMember(connection: OwnedConnection, room: string): void {
    this.#memberships--;
    const local = this.#rooms.get(room);
    if (local === undefined) return;
    if (local.members instanceof Set) {
      local.members.delete(connection);
      if (local.members.size > 0) return;
    } else if (local.members !== connection) return;
    this.#rooms.delete(room);
    this.#roomPartitions.delete(this.#partitioning.roomPartitionOf(room), room);
  }
}

/** Index of items by partition. A partition without items has no entry. */
class PartitionIndex<T> {
  readonly #partitions = new Map<number, Set<T>>();

  add(partition: number, item: T): void {
    const items = this.#partitions.get(partition);
    if (items === undefined) this.#partitions.set(partition, new Set([item]));
    else items.add(item);
  }

  delete(partition: number, item: T): void {
    const items = this.#partitions.get(partition);
    if (items?.delete(item) === true && items.size === 0) this.#partitions.delete(partition);
  }

  of(partition: number): Iterable<T> {
    return this.#partitions.get(partition) ?? [];
  }
}

/** Returns the entry of a connection as a member of a room. */
export function announcedMember({ connectionId, userId, metadata }: OwnedConnection): AnnouncedMember {
  return metadata === undefined ? { connectionId, userId } : { connectionId, userId, metadata };
}
