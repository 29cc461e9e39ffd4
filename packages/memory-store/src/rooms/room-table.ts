import {
  type AnnouncedMember,
  type DepartureReason,
  type HeldRoom,
  type JoinOptions,
  type Lease,
  type Page,
  type PageRequest,
  type PartitionReconciliation,
  partitionOf,
  type ReapClaim,
  type RoomMember,
  requireRoomRecordValue,
} from "@cm/protocol";
import { requirePage } from "@cm/protocol/options";
import { cursorInvalid, requirePartition } from "@cm/protocol/store";
import type { ChannelTable } from "../bus/channel-table.js";
import { PARTITIONS } from "../partitions.js";
import { distinctHolders, type Incarnation, type ServerTable } from "../servers/server-table.js";
import type { RecordTable } from "./room-record-table.js";
import { Roster } from "./roster.js";
import { RosterFeeds } from "./roster-feeds.js";

/**
 * A cursor consists of two numbers of the order of joining, in base 36: the one after which to continue, and the
 * one at which the reading ends.
 */
const CURSOR = /^([0-9a-z]{1,11})\.([0-9a-z]{1,11})$/;

/** The members of all rooms. */
export class RoomTable {
  readonly #servers: ServerTable;
  readonly #records: RecordTable;
  readonly #feeds: RosterFeeds;
  readonly #partitions = Array.from({ length: PARTITIONS }, () => new Map<string, Roster>());
  readonly #lives: (owner: Incarnation) => boolean;
  #lastOrder = 0;

  constructor(servers: ServerTable, records: RecordTable, channels: ChannelTable, now: () => number) {
    this.#servers = servers;
    this.#records = records;
    this.#feeds = new RosterFeeds(channels, now);
    this.#lives = (owner) => servers.lives(owner);
  }

  /** Number of rooms that have members. */
  get size(): number {
    return this.#partitions.reduce((total, { size }) => total + size, 0);
  }

  /** Number of rooms whose changes are announced. */
  get announced(): number {
    return this.#feeds.size;
  }

  /** Whether the room has members, including those of dead servers. */
  has(room: string): boolean {
    return this.#roster(room) !== undefined;
  }

  /**
   * Adds members to a room, or announces the new metadata of existing ones. `recordTtlMs` is the time to live of a
   * record that the join creates or renews.
   */
  join(
    lease: Lease,
    room: string,
    members: readonly AnnouncedMember[],
    { quiet = false, onlyExisting = false, record }: JoinOptions,
    recordTtlMs: number,
  ): void {
    if (record !== undefined) requireRoomRecordValue(record);
    const owner = this.#servers.holder(lease);
    if (members.length === 0) return;
    if (onlyExisting) {
      const existing = members.filter(({ connectionId }) => this.#roster(room)?.has(connectionId, owner));
      if (!quiet) this.#feeds.announce(room, "updated", existing);
      return;
    }
    const roster = this.#roster(room) ?? new Roster();
    this.#rostersBeside(room).set(room, roster);
    const joined = members.filter((member) => roster.add(member, owner, ++this.#lastOrder));
    if (record !== undefined) this.#records.open(room, record, recordTtlMs);
    if (!quiet) this.#feeds.announce(room, "joined", joined);
  }

  leave(lease: Lease, room: string, members: readonly RoomMember[], reason: DepartureReason = "left"): void {
    const owner = this.#servers.holder(lease);
    const roster = this.#roster(room);
    if (roster === undefined) return;
    const left = members.flatMap(({ connectionId }) => roster.remove(connectionId, owner) ?? []);
    this.#afterLeaving(room, roster, left, reason);
  }

  enableAnnouncements(room: string, ttlMs: number): number {
    return this.#feeds.want(room, ttlMs);
  }

  members(room: string, request: PageRequest): Page<RoomMember> {
    const { cursor, limit } = requirePage(request);
    // Members that join during a reading are left out, so that the reading ends even in a busy room.
    const { after, until } = cursor === undefined ? { after: 0, until: this.#lastOrder } : this.#readCursor(cursor);
    const page = this.#roster(room)?.page(after, until, limit, this.#lives);
    return {
      items: page?.items ?? [],
      cursor: page?.next === undefined ? undefined : `${page.next.toString(36)}.${until.toString(36)}`,
    };
  }

  count(room: string): number {
    return this.#roster(room)?.count(this.#lives) ?? 0;
  }

  evict(claim: ReapClaim, room: string): RoomMember[] {
    const owns = this.#servers.evicted(claim);
    const roster = this.#roster(room);
    if (owns === undefined || roster === undefined) return [];
    const evicted = roster.removeAll(owns);
    this.#afterLeaving(room, roster, evicted, "lost");
    return evicted;
  }

  held(right: Lease | ReapClaim, partition: number): HeldRoom[] {
    const owns = this.#servers.seen(right);
    return [...requirePartition(this.#partitions, partition)]
      .map(([room, roster]) => ({ room, members: roster.membersOf(owns) }))
      .filter(({ members }) => members.length > 0);
  }

  /** Corrects nothing, because no data is derived here. Returns the incarnations that own members. */
  reconcile(partition: number): PartitionReconciliation {
    const owners = [...requirePartition(this.#partitions, partition).values()].flatMap((roster) => [
      ...roster.owners(),
    ]);
    return { repaired: 0, holders: distinctHolders(owners) };
  }

  #rostersBeside(room: string): Map<string, Roster> {
    return requirePartition(this.#partitions, partitionOf(room, PARTITIONS));
  }

  #roster(room: string): Roster | undefined {
    return this.#rostersBeside(room).get(room);
  }

  #afterLeaving(room: string, roster: Roster, left: readonly RoomMember[], reason: DepartureReason): void {
    this.#feeds.announce(room, "left", left, reason);
    if (roster.size > 0) return;
    this.#rostersBeside(room).delete(room);
    this.#records.drop(room);
  }

  #readCursor(cursor: unknown): { readonly after: number; readonly until: number } {
    const match = typeof cursor === "string" ? CURSOR.exec(cursor) : null;
    const after = Number.parseInt(match?.[1] ?? "", 36);
    const until = Number.parseInt(match?.[2] ?? "", 36);
    // The comparisons are false for NaN as well.
    if (after >= 1 && after <= until && until <= this.#lastOrder) return { after, until };
    throw cursorInvalid("members");
  }
}
