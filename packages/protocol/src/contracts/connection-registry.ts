import type { Lease, ReapClaim } from "./server-registry.js";

/** What the store holds about a connection. */
export interface ConnectionRecord {
  readonly connectionId: string;
  readonly userId: string;
  /** Milliseconds since the Unix epoch. */
  readonly connectedAt: number;
  /** Milliseconds since the Unix epoch; as of the record's last write. */
  readonly lastSeen: number;
  readonly rooms: readonly string[];
}

/**
 * The records of all connections, held with their owners. Promises:
 *
 * - `put` writes or replaces, `remove` forgets; both are idempotent, take many in one
 *   round trip, and are refused with `lease-lost` (changing nothing) once the lease's
 *   time has run out. They touch only records of the lease's own server.
 * - `get` finds a record through its id alone, and only while the owner's lease lives.
 * - Records live as long as they are renewed: `put` and `ConnectionUpkeep.renew` set the time
 *   to live.
 */
export interface ConnectionRegistry {
  put(lease: Lease, records: readonly ConnectionRecord[]): Promise<void>;
  remove(lease: Lease, connectionIds: readonly string[]): Promise<void>;
  get(connectionId: string): Promise<ConnectionRecord | undefined>;
}

/** What keeps records from outliving their connections. Each call is bounded by the shelves that it names. */
export interface ConnectionUpkeep {
  /**
   * Renews the time to live of the shelves `fromShelf` to `toShelf` (exclusive) of the
   * lease's server. A shelf whose records are all gone stays gone.
   */
  renew(lease: Lease, fromShelf: number, toShelf: number): Promise<void>;
  /**
   * What the store holds on one shelf of the lease's server, to compare with the truth; or of the
   * dead one that is claimed, to remove it.
   */
  held(right: Lease | ReapClaim, shelf: number): Promise<ConnectionRecord[]>;
  /** Forgets a shelf of a dead server. Does nothing where the claim is no longer held. */
  clearShelf(claim: ReapClaim, shelf: number): Promise<void>;
}
