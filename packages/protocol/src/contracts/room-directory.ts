import type { Lease, ReapClaim } from "./server-registry.js";

/** One connection in a room. */
export interface RoomMember {
  readonly connectionId: string;
  readonly userId: string;
}

/** A part of a list. */
export interface Page<T> {
  readonly items: readonly T[];
  /** Give it back for the next page; `undefined` after the last. Opaque. */
  readonly cursor: string | undefined;
}

/** Which page. */
export interface PageRequest {
  readonly cursor?: string | undefined;
  /** The most items to return, 1 to 1,000. */
  readonly limit: number;
}

/**
 * Who is in which room, across all servers. Promises:
 *
 * - `join` and `leave` are idempotent, one round trip, and refused with `lease-lost`
 *   (changing nothing) once the lease's time has run out.
 * - Readers leave out members whose owner holds no lease, from the moment it runs out.
 * - A member that stays throughout a reading in pages is returned exactly once,
 *   whatever others come and go meanwhile. A bad cursor or limit fails with
 *   `options-invalid`.
 * - A room exists while it has members; the last `leave` leaves nothing behind.
 */
export interface RoomDirectory {
  join(lease: Lease, room: string, members: readonly RoomMember[]): Promise<void>;
  leave(lease: Lease, room: string, members: readonly RoomMember[]): Promise<void>;
  members(room: string, page: PageRequest): Promise<Page<RoomMember>>;
  /** Living members, without reading the roster. */
  count(room: string): Promise<number>;
  /** Rooms with members; costs O(partitions). Dead servers' rooms count until cleaned up. */
  countRooms(): Promise<number>;
}

/** What keeps rooms from outliving those who are in them. */
export interface RoomUpkeep {
  /** Renews the time to live of rooms that the lease's server has members in. */
  renew(lease: Lease, rooms: readonly string[]): Promise<void>;
  /** Removes all members of a dead server from a room; says who they were. */
  evict(claim: ReapClaim, room: string): Promise<RoomMember[]>;
}
