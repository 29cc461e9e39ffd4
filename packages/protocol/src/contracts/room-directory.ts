import type { Lease } from "./leases-and-claims.js";

/** One connection in a room. */
export interface RoomMember {
  /** The member's connection. */
  readonly connectionId: string;
  /** The user that the connection belongs to. */
  readonly userId: string;
}

/** A member with the metadata that is announced about it. */
export interface AnnouncedMember extends RoomMember {
  /** The connection's metadata, as JSON text. It is only announced, not stored. */
  readonly metadata?: string | undefined;
}

/** One page of a list. */
export interface Page<T> {
  /** At most `limit` items. There may be fewer, or none, even if more pages follow. */
  readonly items: readonly T[];
  /** The cursor of the next page; `undefined` after the last one. Opaque. */
  readonly cursor: string | undefined;
}

/** Selects a page. */
export interface PageRequest {
  /** The cursor that came with the previous page, unchanged. Default: the first page. */
  readonly cursor?: string | undefined;
  /** The most items to return, 1 to 1,000. */
  readonly limit: number;
}

/** Options of `RoomDirectory.join`. */
export interface JoinOptions {
  /**
   * Whether the join is not announced. Set it for members that were in the room before and that the store has
   * lost. Default `false`.
   */
  readonly quiet?: boolean;
  /**
   * Whether no member is added. Members that are in the room are announced as updated, with the given metadata;
   * others are ignored, and no record is requested. Default `false`.
   */
  readonly onlyExisting?: boolean;
  /**
   * Requests that the room has a record (see `RoomRecords`). If there is none, it is created in the same step,
   * with this JSON text as its value; an existing record keeps its value. In both cases, the join counts as
   * activity. A text that is too long is rejected with `payload-too-large`. Default: no record is requested.
   */
  readonly record?: string | undefined;
}

/**
 * Why a member is no longer in a room.
 *
 * - `left`: the member left the room, and its connection stays open
 * - `closed`: its connection was closed
 * - `lost`: its server died
 */
export type DepartureReason = "left" | "closed" | "lost";

/**
 * The members of all rooms, across all servers. Guarantees:
 *
 * - `join` and `leave` are idempotent, take one round trip, and are rejected with `lease-lost` (without
 *   changing anything) once the lease has expired.
 * - Reads leave out members whose owner holds no lease, from the moment the lease expires.
 * - A member that stays in the room while all pages are read is returned exactly once, even if other members
 *   join and leave between the reads. An invalid cursor or limit is rejected with `options-invalid`.
 * - A room exists while it has members. When the last one leaves, the store keeps nothing of the room: its
 *   record is deleted too.
 * - While announcements of a room are enabled, every member that joins, is updated or leaves is announced in the same
 *   step, on the channel `{ kind: "roster", name: room }`, as exactly one `RosterChange`. A call that changes
 *   nothing announces nothing. The versions of these changes grow, and each change contains the version
 *   before it.
 */
export interface RoomDirectory {
  /**
   * Adds connections of the lease's server to a room. With `onlyExisting`, announces the new metadata of members
   * instead, if announcements of the room are enabled.
   */
  join(lease: Lease, room: string, members: readonly AnnouncedMember[], options?: JoinOptions): Promise<void>;
  /** Removes members from a room. The reason is announced with the change; `left` by default. */
  leave(
    lease: Lease,
    room: string,
    members: readonly RoomMember[],
    reason?: Exclude<DepartureReason, "lost">,
  ): Promise<void>;
  /** Reads a page of the room's living members. */
  members(room: string, page: PageRequest): Promise<Page<RoomMember>>;
  /** Counts the room's living members without reading all of them. */
  count(room: string): Promise<number>;
  /**
   * Makes the room announce its members' changes for the next `ttlMs`; another call within that time extends
   * it. Resolves with the version of the latest change. The caller compares this version with the last one
   * that it received to detect missed changes.
   */
  enableAnnouncements(room: string, ttlMs: number): Promise<number>;
}
