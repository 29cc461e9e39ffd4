import type { Lease } from "./server-registry.js";

/** What the store holds about a connection. */
export interface ConnectionRecord {
  readonly connectionId: string;
  readonly userId: string;
  /** Milliseconds since the Unix epoch. */
  readonly connectedAt: number;
  /** Milliseconds since the Unix epoch; as of the record's last write. */
  readonly lastSeen: number;
  /** In the order in which the connection came into them. */
  readonly rooms: readonly string[];
}

/** How records are written. */
export interface PutOptions {
  /**
   * Whether the rooms that a record has already stay in it, and those given are added behind
   * them: a join costs the same whatever else the connection is in. Default `false`: the
   * record's rooms are those given.
   */
  readonly keepsRooms?: boolean;
}

/** What is removed of records. */
export interface RecordRemoval {
  /** Only these rooms, out of records that stay. Default: the records themselves. */
  readonly rooms?: readonly string[];
}

/**
 * The records of all connections, held with their owners. Promises:
 *
 * - `put` writes or replaces, `remove` forgets; both are idempotent, take many in one
 *   round trip, and are refused with `lease-lost` (changing nothing) once the lease's
 *   time has run out. They touch only records of the lease's own server.
 * - What they cost depends on the records and rooms given, not on what the records hold
 *   otherwise.
 * - `get` finds a record through its id alone, and only while the owner's lease lives.
 * - Records live as long as they are renewed: `put` and `ProjectionUpkeep.renew` set the time
 *   to live.
 */
export interface ConnectionRegistry {
  put(lease: Lease, records: readonly ConnectionRecord[], options?: PutOptions): Promise<void>;
  remove(lease: Lease, connectionIds: readonly string[], removal?: RecordRemoval): Promise<void>;
  get(connectionId: string): Promise<ConnectionRecord | undefined>;
}
