import { type AnnouncedMember, CmError, requireConnectionId } from "@cm/protocol";
import { SmallSet } from "@cm/protocol/sets";
import type { LocalRooms } from "./local-rooms.js";
import { NO_ROOMS, type OwnedConnection } from "./owned-connection.js";
import { PartitionIndex } from "./partition-index.js";
import { PartitionedMap } from "./partitioned-map.js";

/**
 * The local state: this server's connections and the rooms that they are in. No other object of this process keeps
 * who is in which room; the transport alone keeps the subscriptions of its sockets.
 */
export class OwnedConnections {
  readonly #byId = new Map<string, OwnedConnection>();
  /** The rooms that the connections are in. Their members change only through this object. */
  readonly rooms: LocalRooms;
  /** The connections of each user. A single connection is stored without a set. */
  readonly #users: PartitionedMap<OwnedConnection | Set<OwnedConnection>>;
  readonly #recordPartitions = new PartitionIndex<OwnedConnection>();
  #memberships = 0;

  /** The store has that many `partitions`, one of which at a time is compared with the local state. */
  constructor(partitions: number, rooms: LocalRooms) {
    this.#users = new PartitionedMap(partitions);
    this.rooms = rooms;
  }

  get size(): number {
    return this.#byId.size;
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
    this.#recordPartitions.add(recordPartitionOf(connection), connection);
    this.#byId.set(connection.connectionId, connection);
    const present = this.#users.get(connection.userId);
    if (present === undefined) this.#users.set(connection.userId, connection);
    else if (present instanceof Set) present.add(connection);
    else this.#users.set(connection.userId, new Set([present, connection]));
  }

  /** Removes a connection and its room memberships. */
  delete(connection: OwnedConnection): void {
    const { rooms } = connection;
    connection.rooms = NO_ROOMS;
    if (!this.#byId.delete(connection.connectionId)) return;
    this.#memberships -= rooms.size;
    const present = this.#users.get(connection.userId);
    if (present instanceof Set) present.delete(connection);
    if (!(present instanceof Set) || present.size === 0) this.#users.delete(connection.userId);
    this.#recordPartitions.delete(recordPartitionOf(connection), connection);
    // Last, because leaving a room may call the application.
    for (const room of rooms) this.rooms.delete(room, connection);
  }

  enter(connection: OwnedConnection, room: string): void {
    if (connection.rooms === NO_ROOMS) connection.rooms = new SmallSet<string>();
    roomsOf(connection).add(room);
    this.#memberships++;
    this.rooms.add(room, connection);
  }

  exit(connection: OwnedConnection, room: string): void {
    if (!connection.rooms.has(room)) return;
    const rooms = roomsOf(connection);
    rooms.delete(room);
    if (rooms.size === 0) connection.rooms = NO_ROOMS;
    this.#memberships--;
    this.rooms.delete(room, connection);
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

  /** Returns the local connections of the users in a partition. */
  *connectionsOfPartition(partition: number): Iterable<OwnedConnection> {
    for (const connections of this.#users.ofPartition(partition).values()) {
      if (connections instanceof Set) yield* connections;
      else yield connections;
    }
  }

  /** Returns the local connections whose records are in a record partition. */
  connectionsInPartition(recordPartition: number): Iterable<OwnedConnection> {
    return this.#recordPartitions.of(recordPartition);
  }

  hasUser(userId: string): boolean {
    return this.#users.has(userId);
  }

  userIds(): Iterable<string> {
    return this.#users.names();
  }
}

/** The rooms of a connection that is in some. The cast is safe: only `enter` sets them. */
function roomsOf({ rooms }: OwnedConnection): SmallSet<string> {
  return rooms as SmallSet<string>;
}

function recordPartitionOf({ connectionId }: OwnedConnection): number {
  return requireConnectionId(connectionId).recordPartition;
}

/** Returns the entry of a connection as a member of a room. */
export function announcedMember({ connectionId, userId, metadata }: OwnedConnection): AnnouncedMember {
  return metadata === undefined ? { connectionId, userId } : { connectionId, userId, metadata };
}
