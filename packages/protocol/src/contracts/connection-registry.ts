import type { Lease } from "./leases-and-claims.js";

/** The store's record of a connection. */
export interface ConnectionRecord {
  /** The connection's id. */
  readonly connectionId: string;
  /** The user that the connection belongs to. */
  readonly userId: string;
  /** When the connection was opened, in milliseconds since the Unix epoch. */
  readonly connectedAt: number;
  /** When the client last sent something before the record was written, in milliseconds since the Unix epoch. */
  readonly lastSeen: number;
  /** The connection's rooms, in the order in which it joined them. */
  readonly rooms: readonly string[];
}

/** Options of `ConnectionRegistry.put`. */
export interface PutOptions {
  /**
   * Whether the given rooms are appended to the rooms of an existing record. The cost of a join then does not
   * depend on the number of rooms that the connection is already in. Default `false`: the given rooms replace
   * the record's rooms.
   */
  readonly keepsRooms?: boolean;
}

/** Options of `ConnectionRegistry.remove`. */
export interface RecordRemoval {
  /** Remove only these rooms from the records, and keep the records. Default: remove the records. */
  readonly rooms?: readonly string[];
}

/**
 * The records of all connections, stored per owner. Guarantees:
 *
 * - `put` writes or replaces records, `remove` deletes them. Both are idempotent, take many records in one
 *   round trip, and are rejected with `lease-lost` (without changing anything) once the lease has expired.
 *   They change only records of the lease's server.
 * - The cost of a call depends on the records and rooms given, not on what else the records contain.
 * - `get` finds a record by its id alone, and only while the owner's lease is valid.
 * - Records exist as long as they are renewed: `put` and `ProjectionUpkeep.renew` set the time to live.
 */
export interface ConnectionRegistry {
  /** Writes records, or replaces those with the same ids. */
  put(lease: Lease, records: readonly ConnectionRecord[], options?: PutOptions): Promise<void>;
  /** Deletes records, or some of their rooms. */
  remove(lease: Lease, connectionIds: readonly string[], removal?: RecordRemoval): Promise<void>;
  /**
   * Reads a record by its id. Resolves with `undefined` if there is no record, or if its owner holds no
   * lease.
   */
  get(connectionId: string): Promise<ConnectionRecord | undefined>;
}
