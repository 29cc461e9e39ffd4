import type { Lease } from "./server-registry.js";

/** One connection in a room. */
export interface RoomMember {
  readonly connectionId: string;
  readonly userId: string;
}

/** A member with what is announced about it. */
export interface AnnouncedMember extends RoomMember {
  /** What the connection says about itself, as JSON text. Only announced, not kept. */
  readonly metadata?: string | undefined;
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

/** How members are put into a room. */
export interface JoinOptions {
  /**
   * Whether nothing is announced: the members were there before and the store has lost
   * them. Default `false`.
   */
  readonly quiet?: boolean;
  /**
   * Has the room keep a record (see `RoomRecords`): where there is none it is created in the
   * same step, with this JSON text as its value; where there is one it stays as it is. Its
   * last activity is now. Refused with `payload-too-large`. Default: none is asked for.
   */
  readonly record?: string | undefined;
}

/**
 * Why a member is no longer in a room.
 *
 * - `left`: it went out, and its connection stays open
 * - `closed`: its connection was closed
 * - `lost`: its server died
 */
export type DepartureReason = "left" | "closed" | "lost";

/**
 * Who is in which room, across all servers. Promises:
 *
 * - `join` and `leave` are idempotent, one round trip, and refused with `lease-lost`
 *   (changing nothing) once the lease's time has run out.
 * - Readers leave out members whose owner holds no lease, from the moment it runs out.
 * - A member that stays throughout a reading in pages is returned exactly once,
 *   whatever others come and go meanwhile. A bad cursor or limit fails with
 *   `options-invalid`.
 * - A room exists while it has members. When the last one leaves, the store keeps nothing of
 *   the room, and its record goes too.
 * - While an `announce` is in effect, every member that comes, changes or goes is
 *   announced in the same step, on the channel `{ kind: "roster", name: room }` as a
 *   `RosterChange`, exactly one for each; what changes nothing announces nothing. Their
 *   versions grow, and each names the one before it.
 */
export interface RoomDirectory {
  join(lease: Lease, room: string, members: readonly AnnouncedMember[], options?: JoinOptions): Promise<void>;
  /** The reason is announced with it; `left` by default. */
  leave(
    lease: Lease,
    room: string,
    members: readonly RoomMember[],
    reason?: Exclude<DepartureReason, "lost">,
  ): Promise<void>;
  /** Announces that members have new metadata, where announcements are wanted. */
  update(lease: Lease, room: string, members: readonly AnnouncedMember[]): Promise<void>;
  members(room: string, page: PageRequest): Promise<Page<RoomMember>>;
  /** Living members, without reading the roster. */
  count(room: string): Promise<number>;
  /**
   * Has the room announce its members' changes for the next `ttlMs`; another call before then
   * extends that. Resolves with the version of the latest change, by which the
   * caller also sees whether changes went by that it has not heard of.
   */
  announce(room: string, ttlMs: number): Promise<number>;
}
