import {
  type AnnouncedMember,
  type DepartureReason,
  type HeldRoom,
  holderName,
  type JoinOptions,
  type Lease,
  type Page,
  type PageRequest,
  type PartitionReconciliation,
  type ReapClaim,
  type RoomDirectory,
  type RoomMember,
  requireRoomRecordValue,
} from "@cm/protocol";
import { requirePage } from "@cm/protocol/options";
import { requireDuration } from "@cm/protocol/store";
import { groupBy, inChunks } from "../commands/argument-batches.js";
import type { Commands } from "../commands/redis-commands.js";
import type { Keys } from "../keys/key-names.js";
import { reconcileRooms } from "../projection/partition-reconciliation.js";
import { toStrings } from "../scripts/script-definition.js";
import { allWritten, holderOfConnection, isOwn, requireOwn } from "../servers/lease-holders.js";
import type { LiveServers } from "../servers/live-servers.js";
import { decodeMember, roomEntryOf } from "./room-entry.js";
import { RoomEvictions } from "./room-evictions.js";
import { RoomJoins } from "./room-joins.js";
import { type MemberArgument, type RoomKeys, roomAnnounce, roomCount, roomLeave, roomRenew } from "./room-scripts.js";
import { readHeldRooms } from "./room-snapshots.js";
import { decodeCursor, encodeCursor, lowerEnd, type RosterCursor } from "./roster-cursor.js";

/** Maximum number of reads per page. Each read skips all members of at least one dead server. */
const READS_MAX = 16;

/** Dependencies and settings of the directory. */
export interface RedisRoomDirectoryParts {
  readonly commands: Commands;
  readonly keys: Keys;
  readonly living: LiveServers;
  readonly connectionTtlMs: number;
  readonly roomRecordTtlMs: number;
  /** The command that publishes roster changes. */
  readonly publishCommand: string;
  /** Whether the partitions are spread over several nodes. */
  readonly isSharded: boolean;
}

/** Stores rooms as sorted sets ordered by bytes, so that the members of one server are adjacent. */
export class RedisRoomDirectory implements RoomDirectory {
  readonly #parts: RedisRoomDirectoryParts;
  readonly #evictions: RoomEvictions;
  readonly #joins: RoomJoins;

  constructor(parts: RedisRoomDirectoryParts) {
    this.#parts = parts;
    this.#evictions = new RoomEvictions(parts);
    this.#joins = new RoomJoins(parts);
  }

  async join(
    lease: Lease,
    room: string,
    members: readonly AnnouncedMember[],
    { quiet = false, onlyExisting = false, record }: JoinOptions = {},
  ): Promise<void> {
    for (const { connectionId } of members) requireOwn(lease, connectionId);
    const value = record === undefined ? undefined : requireRoomRecordValue(record);
    const keys = this.#parts.keys.roomKeys(room);
    const written = inChunks(members.map(announcedEntryOf)).map((entries) =>
      this.#joins.join(lease, { keys, quiet, onlyExisting, value, entries }),
    );
    await allWritten(written, lease);
  }

  async leave(
    lease: Lease,
    room: string,
    members: readonly RoomMember[],
    reason: DepartureReason = "left",
  ): Promise<void> {
    this.#joins.flush();
    const own = members.filter(({ connectionId }) => isOwn(lease, connectionId));
    const input = { ...this.#write(lease, room), reason };
    const calls = inChunks(own.map(roomEntryOf)).map((entries) =>
      this.#parts.commands.run(roomLeave, { ...input, entries }),
    );
    await allWritten(calls, lease);
  }

  async members(room: string, page: PageRequest): Promise<Page<RoomMember>> {
    this.#joins.flush();
    const { cursor, limit } = requirePage(page);
    let after = decodeCursor(cursor);
    const key = this.#parts.keys.room(room);
    const [holders, first] = await Promise.all([this.#parts.living.all(), this.#read(key, after, limit)]);
    const living = new Set(holders);
    const items: RoomMember[] = [];
    let entries = first;
    for (let reads = 1; ; reads++) {
      const taken = take(entries, living, items, limit);
      after = taken.after ?? after;
      if (taken.ended && entries.length <= limit) return { items, cursor: undefined };
      if (items.length === limit || reads === READS_MAX) return { items, cursor: encodeCursor(after) };
      entries = await this.#read(key, after, limit);
    }
  }

  async count(room: string): Promise<number> {
    this.#joins.flush();
    const { living, commands, keys } = this.#parts;
    const count = (holders: readonly string[]) => commands.run(roomCount, { members: keys.room(room), holders });
    const guessed = living.latest;
    const [holders, counted] = await Promise.all([living.all(), count(guessed)]);
    return sameMembers(guessed, holders) ? counted : count(holders);
  }

  async enableAnnouncements(room: string, ttlMs: number): Promise<number> {
    requireDuration(ttlMs, "ttlMs");
    const { roster } = this.#parts.keys.roomKeys(room);
    return this.#parts.commands.run(roomAnnounce, { roster, ttlMs: Math.ceil(ttlMs) });
  }

  async renew(lease: Lease, rooms: readonly string[]): Promise<void> {
    this.#joins.flush();
    const { commands, keys, connectionTtlMs: ttlMs } = this.#parts;
    const all = rooms.map((room) => keys.roomKeys(room));
    const calls = [...groupBy(all, ({ index }) => index).values()].flatMap((group) =>
      inChunks(group).flatMap((chunk) => {
        const [first] = chunk;
        if (first === undefined) return [];
        const { index, records } = first;
        return [commands.run(roomRenew, { fenceMs: lease.expiresAtMs, index, records, ttlMs, rooms: chunk })];
      }),
    );
    await allWritten(calls, lease);
  }

  /** Returns the members that were removed; empty if the claim is no longer held. */
  async evict(claim: ReapClaim, room: string): Promise<RoomMember[]> {
    return this.#evictions.evict(claim, room);
  }

  async held(right: Lease | ReapClaim, partition: number): Promise<HeldRoom[]> {
    return readHeldRooms(this.#parts, holderName(right), partition);
  }

  async reconcile(partition: number): Promise<PartitionReconciliation> {
    return reconcileRooms(this.#parts, partition);
  }

  /** Reads one entry more than a page holds, to find out whether there is another page. */
  async #read(key: string, after: RosterCursor, limit: number): Promise<string[]> {
    const reply = await this.#parts.commands.send("zrangebylex", [key, lowerEnd(after), "+", "LIMIT", 0, limit + 1]);
    return toStrings(reply);
  }

  #write(right: Lease, room: string): RoomKeys & { fenceMs: number; publishCommand: string } {
    const { keys, publishCommand } = this.#parts;
    return { ...keys.roomKeys(room), fenceMs: right.expiresAtMs, publishCommand };
  }
}

/**
 * Appends members whose servers are alive to `items` until the page is full. Returns the cursor to continue
 * from, and whether all entries were used.
 */
function take(
  entries: readonly string[],
  living: ReadonlySet<string>,
  items: RoomMember[],
  limit: number,
): { readonly after: RosterCursor; readonly ended: boolean } {
  let after: RosterCursor;
  for (const entry of entries) {
    if (items.length === limit) return { after, ended: false };
    const member = decodeMember(entry);
    const holder = holderOfConnection(member.connectionId);
    if (living.has(holder)) {
      items.push(member);
      after = { afterConnection: member.connectionId };
    } else {
      // The members of a dead server are adjacent, so skip them all.
      after = { afterHolder: holder };
    }
  }
  return { after, ended: true };
}

function announcedEntryOf(member: AnnouncedMember): MemberArgument {
  return { entry: roomEntryOf(member), metadata: member.metadata ?? "" };
}

function sameMembers(left: readonly string[], right: readonly string[]): boolean {
  if (left.length !== right.length) return false;
  const known = new Set(left);
  return right.every((member) => known.has(member));
}
