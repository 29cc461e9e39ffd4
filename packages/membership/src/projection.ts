import type { ConnectionRecord, Lease, RoomMember, UserConnection } from "@cm/protocol";
import { type LocalConnection, type LocalConnections, memberOf } from "./local-connections.js";
import type { MembershipStore } from "./options.js";

/** Connections written by one call when everything is projected anew. */
const BATCH = 500;

/** Shelves read at a time. */
const SHELVES_AT_ONCE = 32;

/** What a closed connection, or one that left rooms, has to lose in the store. */
export interface Removal {
  readonly connection: LocalConnection;
  readonly rooms: readonly string[];
}

/** Writes what this server knows into the store. */
export class Projection {
  readonly #store: MembershipStore;
  readonly #local: LocalConnections;
  readonly #shelves: number;
  readonly #lastSeenOf: (connectionId: string) => number | undefined;

  constructor(options: {
    readonly store: MembershipStore;
    readonly local: LocalConnections;
    readonly shelfBits: number;
    readonly lastSeenOf: (connectionId: string) => number | undefined;
  }) {
    this.#store = options.store;
    this.#local = options.local;
    this.#shelves = 2 ** options.shelfBits;
    this.#lastSeenOf = options.lastSeenOf;
  }

  async open(lease: Lease, connection: LocalConnection): Promise<void> {
    await together([
      this.#store.connections.put(lease, [this.#record(connection)]),
      this.#store.users.add(lease, [userConnection(connection)]),
    ]);
  }

  async join(lease: Lease, connection: LocalConnection, room: string): Promise<void> {
    await together([
      this.#store.connections.put(lease, [this.#record(connection)]),
      this.#store.rooms.join(lease, room, [memberOf(connection)]),
    ]);
  }

  /**
   * Takes the connection out of rooms, and off its user where it is closed. Judged by
   * the truth at the time of the call: a room that was entered again meanwhile stays.
   */
  async removePlaces(lease: Lease, { connection, rooms }: Removal): Promise<void> {
    const isOpen = this.#isOpen(connection);
    const gone = rooms.filter((room) => !(isOpen && connection.rooms.has(room)));
    await together([
      ...(isOpen ? [] : [this.#store.users.remove(lease, [userConnection(connection)])]),
      ...gone.map((room) => this.#store.rooms.leave(lease, room, [memberOf(connection)])),
    ]);
  }

  /**
   * Brings the connection's record up to date. After its places are gone and not before:
   * whoever cleans up after this server finds them through the record.
   */
  async updateRecord(lease: Lease, { connection }: Removal): Promise<void> {
    if (this.#isOpen(connection)) await this.#store.connections.put(lease, [this.#record(connection)]);
    else await this.#store.connections.remove(lease, [connection.connectionId]);
  }

  /** Writes everything, in batches: after the store lost it, or the lease was taken anew. */
  async all(lease: Lease): Promise<void> {
    for (const batch of batches(this.#local.all(), BATCH)) {
      await together([
        this.#store.connections.put(
          lease,
          batch.map((connection) => this.#record(connection)),
        ),
        this.#store.users.add(lease, batch.map(userConnection)),
        ...membersByRoom(batch).map(([room, members]) => this.#store.rooms.join(lease, room, members)),
      ]);
    }
  }

  /**
   * What the store's records of this server name that is not so any more, because the store
   * came back older than it was. To be asked before {@link all} writes over the records.
   */
  async strays(lease: Lease): Promise<Removal[]> {
    const strays: Removal[] = [];
    for (let from = 0; from < this.#shelves; from += SHELVES_AT_ONCE) {
      const count = Math.min(SHELVES_AT_ONCE, this.#shelves - from);
      const shelves = Array.from({ length: count }, (_, i) => this.#store.connections.shelf(lease, from + i));
      for (const record of (await Promise.all(shelves)).flat()) strays.push(...this.#straysOf(record));
    }
    return strays;
  }

  /** Takes everything away, in batches: before the lease is given up. */
  async withdraw(lease: Lease): Promise<void> {
    for (const batch of batches(this.#local.all(), BATCH)) {
      await together([
        this.#store.users.remove(lease, batch.map(userConnection)),
        ...membersByRoom(batch).map(([room, members]) => this.#store.rooms.leave(lease, room, members)),
      ]);
      await this.#store.connections.remove(
        lease,
        batch.map(({ connectionId }) => connectionId),
      );
    }
  }

  #straysOf({ connectionId, userId, connectedAt, rooms }: ConnectionRecord): Removal[] {
    const connection = this.#local.get(connectionId);
    if (connection === undefined) {
      return [{ connection: { connectionId, userId, connectedAt, rooms: new Set(), joining: new Map() }, rooms }];
    }
    const left = rooms.filter((room) => !connection.rooms.has(room));
    return left.length === 0 ? [] : [{ connection, rooms: left }];
  }

  #isOpen(connection: LocalConnection): boolean {
    return this.#local.get(connection.connectionId) === connection;
  }

  #record({ connectionId, userId, connectedAt, rooms }: LocalConnection): ConnectionRecord {
    const lastSeen = this.#lastSeenOf(connectionId) ?? connectedAt;
    return { connectionId, userId, connectedAt, lastSeen, rooms: [...rooms] };
  }
}

function userConnection({ userId, connectionId }: LocalConnection): UserConnection {
  return { userId, connectionId };
}

function membersByRoom(connections: readonly LocalConnection[]): [string, RoomMember[]][] {
  const rooms = new Map<string, RoomMember[]>();
  for (const connection of connections) {
    for (const room of connection.rooms) {
      const members = rooms.get(room);
      if (members === undefined) rooms.set(room, [memberOf(connection)]);
      else members.push(memberOf(connection));
    }
  }
  return [...rooms];
}

function* batches<T>(items: Iterable<T>, size: number): Generator<T[]> {
  let batch: T[] = [];
  for (const item of items) {
    batch.push(item);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** Waits for all, also when one fails: nothing is left running behind the caller's back. */
async function together(writes: readonly Promise<unknown>[]): Promise<void> {
  for (const result of await Promise.allSettled(writes)) {
    if (result.status === "rejected") throw result.reason;
  }
}
