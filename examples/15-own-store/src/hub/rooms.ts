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
import { PARTITIONS } from "../partitions.js";
import type { Channels } from "./channels.js";
import { pageOf } from "./pages.js";
import type { Records } from "./records.js";
import { Rosters } from "./rosters.js";
import { incarnationsOf, type Servers } from "./servers.js";

interface Member extends RoomMember {
  readonly owner: string;
  /** Number in the order of joining. */
  readonly order: number;
}

/** The members of all rooms. */
export class Rooms {
  readonly #servers: Servers;
  readonly #records: Records;
  readonly #rosters: Rosters;
  /** The members of each room, in the order of joining. */
  readonly #rooms = new Map<string, Map<string, Member>>();
  #lastOrder = 0;

  constructor(servers: Servers, records: Records, channels: Channels, now: () => number) {
    this.#servers = servers;
    this.#records = records;
    this.#rosters = new Rosters(channels, now);
  }

  /** Number of rooms with members. */
  get size(): number {
    return this.#rooms.size;
  }

  /** Number of members, plus the number of rooms whose changes are announced. */
  get entries(): number {
    return [...this.#rooms.values()].reduce((total, { size }) => total + size, this.#rosters.size);
  }

  /** Whether the room has members, including those of dead servers. */
  has(room: string): boolean {
    return this.#rooms.has(room);
  }

  join(
    lease: Lease,
    room: string,
    members: readonly AnnouncedMember[],
    { quiet = false, onlyExisting = false, record }: JoinOptions = {},
  ): void {
    if (record !== undefined) requireRoomRecordValue(record);
    const owner = this.#servers.owner(lease);
    if (members.length === 0) return;
    if (onlyExisting) {
      const existing = members.filter(({ connectionId }) => this.#rooms.get(room)?.get(connectionId)?.owner === owner);
      if (!quiet) this.#rosters.announce(room, "updated", existing);
      return;
    }
    const all = this.#rooms.get(room) ?? new Map<string, Member>();
    this.#rooms.set(room, all);
    const joined = members.filter(({ connectionId, userId }) => {
      const known = all.get(connectionId);
      if (known?.owner === owner && known.userId === userId) return false;
      // A member with another owner or user joins again, after all others.
      all.delete(connectionId);
      this.#lastOrder += 1;
      all.set(connectionId, { connectionId, userId, owner, order: this.#lastOrder });
      return true;
    });
    if (record !== undefined) this.#records.open(room, record);
    if (!quiet) this.#rosters.announce(room, "joined", joined);
  }

  leave(lease: Lease, room: string, members: readonly RoomMember[], reason: DepartureReason = "left"): void {
    const owner = this.#servers.owner(lease);
    const ids = new Set(members.map(({ connectionId }) => connectionId));
    this.#remove(room, reason, (member) => member.owner === owner && ids.has(member.connectionId));
  }

  members(room: string, request: PageRequest): Page<RoomMember> {
    const all = this.#rooms.get(room)?.values() ?? [];
    const { items, cursor } = pageOf(all, request, this.#lastOrder, ({ owner }) => this.#servers.lives(owner));
    return { items: items.map(toMember), cursor };
  }

  count(room: string): number {
    const all = [...(this.#rooms.get(room)?.values() ?? [])];
    return all.filter(({ owner }) => this.#servers.lives(owner)).length;
  }

  enableAnnouncements(room: string, ttlMs: number): number {
    return this.#rosters.want(room, ttlMs);
  }

  evict(claim: ReapClaim, room: string): RoomMember[] {
    const owner = this.#servers.ownerBy(claim);
    return owner === undefined ? [] : this.#remove(room, "lost", (member) => member.owner === owner);
  }

  held(right: Lease | ReapClaim, partition: number): HeldRoom[] {
    const owner = this.#servers.ownerBy(right);
    return this.#of(partition)
      .map(([room, all]) => ({ room, members: [...all.values()].filter((each) => each.owner === owner).map(toMember) }))
      .filter(({ members }) => members.length > 0);
  }

  /** Counts are computed from the entries and not stored, so there is nothing to repair. */
  reconcile(partition: number): PartitionReconciliation {
    const owners = this.#of(partition).flatMap(([, all]) => [...all.values()].map(({ owner }) => owner));
    return { repaired: 0, holders: incarnationsOf(owners) };
  }

  #of(partition: number): [string, Map<string, Member>][] {
    return [...this.#rooms].filter(([room]) => partitionOf(room, PARTITIONS) === partition);
  }

  /** Removes members. A room that loses its last member is removed with its record. */
  #remove(room: string, reason: DepartureReason, goes: (member: Member) => boolean): RoomMember[] {
    const all = this.#rooms.get(room);
    const gone = [...(all?.values() ?? [])].filter(goes).map(toMember);
    for (const { connectionId } of gone) all?.delete(connectionId);
    this.#rosters.announce(room, "left", gone, reason);
    if (all?.size === 0) {
      this.#rooms.delete(room);
      this.#records.drop(room);
    }
    return gone;
  }
}

function toMember({ connectionId, userId }: Member): RoomMember {
  return { connectionId, userId };
}
