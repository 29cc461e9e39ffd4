import { type AnnouncedMember, CmError } from "@cm/protocol";

/** A connection of this server, as its owner knows it. */
export interface LocalConnection {
  readonly connectionId: string;
  readonly userId: string;
  /** Milliseconds since the Unix epoch. */
  readonly connectedAt: number;
  readonly rooms: Set<string>;
  /** What it says about itself, as JSON text. */
  metadata: string | undefined;
  /** How long its user counts as online after it was closed, if it was the last one. */
  graceMs: number;
  /** Whether the store has taken it as it is, so that others have heard of it. */
  isAnnounced: boolean;
  /** Joins that the store or the bus has not answered yet; their rooms are in `rooms` already. */
  readonly joining: Map<string, Promise<void>>;
}

/** The truth: which connections this server has, and which rooms they are in. */
export class LocalConnections {
  readonly #byId = new Map<string, LocalConnection>();
  /** Local members by room; a room without any is not there. */
  readonly #members = new Map<string, Set<LocalConnection>>();
  /** Local connections by user, counted. */
  readonly #users = new Map<string, number>();

  get size(): number {
    return this.#byId.size;
  }

  get roomCount(): number {
    return this.#members.size;
  }

  get userCount(): number {
    return this.#users.size;
  }

  add(connection: LocalConnection): void {
    this.#byId.set(connection.connectionId, connection);
    this.#users.set(connection.userId, (this.#users.get(connection.userId) ?? 0) + 1);
  }

  /** Takes a connection out, with its places in rooms. */
  delete(connection: LocalConnection): void {
    if (!this.#byId.delete(connection.connectionId)) return;
    for (const room of connection.rooms) this.#forgetMember(connection, room);
    const count = (this.#users.get(connection.userId) ?? 1) - 1;
    if (count === 0) this.#users.delete(connection.userId);
    else this.#users.set(connection.userId, count);
  }

  enter(connection: LocalConnection, room: string): void {
    connection.rooms.add(room);
    const members = this.#members.get(room);
    if (members === undefined) this.#members.set(room, new Set([connection]));
    else members.add(connection);
  }

  exit(connection: LocalConnection, room: string): void {
    if (connection.rooms.delete(room)) this.#forgetMember(connection, room);
  }

  get(connectionId: string): LocalConnection | undefined {
    return this.#byId.get(connectionId);
  }

  require(connectionId: string): LocalConnection {
    const connection = this.#byId.get(connectionId);
    if (connection === undefined) throw new CmError("not-found", "This server has no such connection.");
    return connection;
  }

  all(): MapIterator<LocalConnection> {
    return this.#byId.values();
  }

  roomNames(): MapIterator<string> {
    return this.#members.keys();
  }

  hasRoom(room: string): boolean {
    return this.#members.has(room);
  }

  hasUser(userId: string): boolean {
    return this.#users.has(userId);
  }

  userIds(): MapIterator<string> {
    return this.#users.keys();
  }

  #forgetMember(connection: LocalConnection, room: string): void {
    const members = this.#members.get(room);
    if (members === undefined) return;
    members.delete(connection);
    if (members.size === 0) this.#members.delete(room);
  }
}

/** A connection as a member of a room. */
export function memberOf({ connectionId, userId, metadata }: LocalConnection): AnnouncedMember {
  return metadata === undefined ? { connectionId, userId } : { connectionId, userId, metadata };
}
