import {
  CmError,
  type Lease,
  type Page,
  type PageRequest,
  type ReapClaim,
  type RoomDirectory,
  type RoomMember,
  type RoomUpkeep,
} from "@cm/protocol";
import { BATCH_MAX, groupBy, inChunks } from "./batches.js";
import { allOf, type Commands } from "./commands.js";
import type { Keys } from "./keys.js";
import { holderOf, holderOfConnection, isOwn, requireOwn, requireWritten } from "./lease-fence.js";
import type { Living } from "./living.js";
import { type RoomKeys, roomCount, roomEvict, roomJoin, roomLeave, roomRenew } from "./projection-scripts.js";
import { decodeCursor, encodeCursor, lowerEnd, type RoomPlace } from "./room-cursor.js";
import { toStrings } from "./script.js";

/** The largest page; see the contract of `PageRequest`. */
const LIMIT_MAX = 1_000;

/** The most reads for one page. Each skips all members of at least one dead server. */
const READS_MAX = 16;

/** What the directory needs. */
export interface RedisRoomDirectoryParts {
  readonly commands: Commands;
  readonly keys: Keys;
  readonly living: Living;
  readonly connectionTtlMs: number;
}

/** Rooms as sorted sets in the order of bytes: each server's members lie together. */
export class RedisRoomDirectory implements RoomDirectory, RoomUpkeep {
  readonly #parts: RedisRoomDirectoryParts;

  constructor(parts: RedisRoomDirectoryParts) {
    this.#parts = parts;
  }

  async join(lease: Lease, room: string, members: readonly RoomMember[]): Promise<void> {
    for (const { connectionId } of members) requireOwn(lease, connectionId);
    const { commands, connectionTtlMs: ttlMs } = this.#parts;
    const keys = this.#keysOf(room);
    const calls = inChunks(members.map(entryOf)).map((entries) =>
      commands.run(roomJoin, { ...keys, fenceMs: lease.expiresAtMs, ttlMs, entries }),
    );
    requireWritten(await allOf(calls), lease);
  }

  async leave(lease: Lease, room: string, members: readonly RoomMember[]): Promise<void> {
    const own = members.filter(({ connectionId }) => isOwn(lease, connectionId));
    const keys = this.#keysOf(room);
    const calls = inChunks(own.map(entryOf)).map((entries) =>
      this.#parts.commands.run(roomLeave, { ...keys, fenceMs: lease.expiresAtMs, entries }),
    );
    requireWritten(await allOf(calls), lease);
  }

  async members(room: string, { cursor, limit }: PageRequest): Promise<Page<RoomMember>> {
    if (!Number.isInteger(limit) || limit < 1 || limit > LIMIT_MAX) {
      throw new CmError("options-invalid", `limit must be a whole number from 1 to ${LIMIT_MAX}.`, {
        details: { field: "limit" },
      });
    }
    let place = decodeCursor(cursor);
    const key = this.#parts.keys.room(room);
    const [holders, first] = await Promise.all([this.#parts.living.all(), this.#read(key, place, limit)]);
    const living = new Set(holders);
    const items: RoomMember[] = [];
    let entries = first;
    for (let reads = 1; ; reads++) {
      const taken = take(entries, living, items, limit);
      place = taken.place ?? place;
      if (taken.ended && entries.length <= limit) return { items, cursor: undefined };
      if (items.length === limit || reads === READS_MAX) return { items, cursor: encodeCursor(place) };
      entries = await this.#read(key, place, limit);
    }
  }

  async count(room: string): Promise<number> {
    const { living, commands, keys } = this.#parts;
    const count = (holders: readonly string[]) => commands.run(roomCount, { members: keys.room(room), holders });
    const guessed = living.latest;
    const [holders, counted] = await Promise.all([living.all(), count(guessed)]);
    return sameMembers(guessed, holders) ? counted : count(holders);
  }

  async countRooms(): Promise<number> {
    const sizes = await allOf(this.#parts.keys.roomIndexes().map((key) => this.#parts.commands.count("scard", [key])));
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  async renew(lease: Lease, rooms: readonly string[]): Promise<void> {
    const { commands, keys, connectionTtlMs: ttlMs } = this.#parts;
    const calls = [...groupBy(rooms, (room) => keys.roomIndex(room))].flatMap(([index, group]) =>
      inChunks(group).map((chunk) => {
        const renewed = chunk.map((room) => ({ room, members: keys.room(room) }));
        return commands.run(roomRenew, { fenceMs: lease.expiresAtMs, index, ttlMs, rooms: renewed });
      }),
    );
    requireWritten(await allOf(calls), lease);
  }

  /** Empty where the claim is no longer held. */
  async evict(claim: ReapClaim, room: string): Promise<RoomMember[]> {
    const evicted: RoomMember[] = [];
    const input = {
      ...this.#keysOf(room),
      fenceMs: claim.expiresAtMs,
      holder: holderOf(claim),
      most: BATCH_MAX,
    };
    for (;;) {
      const entries = await this.#parts.commands.run(roomEvict, input);
      evicted.push(...(entries ?? []).map(memberOf));
      if (entries === undefined || entries.length < BATCH_MAX) return evicted;
    }
  }

  /** One more than a page holds, which tells whether there is another. */
  async #read(key: string, place: RoomPlace, limit: number): Promise<string[]> {
    const reply = await this.#parts.commands.send("zrangebylex", [key, lowerEnd(place), "+", "LIMIT", 0, limit + 1]);
    return toStrings(reply);
  }

  #keysOf(room: string): RoomKeys {
    const { keys } = this.#parts;
    return { index: keys.roomIndex(room), members: keys.room(room), room };
  }
}

/** Moves living members to `items` until those are full; says where to go on. */
function take(
  entries: readonly string[],
  living: ReadonlySet<string>,
  items: RoomMember[],
  limit: number,
): { readonly place: RoomPlace; readonly ended: boolean } {
  let place: RoomPlace;
  for (const entry of entries) {
    if (items.length === limit) return { place, ended: false };
    const member = memberOf(entry);
    const holder = holderOfConnection(member.connectionId);
    if (living.has(holder)) {
      items.push(member);
      place = { afterConnection: member.connectionId };
    } else {
      // All of a dead server's members follow each other.
      place = { afterHolder: holder };
    }
  }
  return { place, ended: true };
}

/** A member as it lies in the sorted set; no connection id has a `|`. */
function entryOf({ connectionId, userId }: RoomMember): string {
  return `${connectionId}|${userId}`;
}

function memberOf(entry: string): RoomMember {
  const bar = entry.indexOf("|");
  return { connectionId: entry.slice(0, bar), userId: entry.slice(bar + 1) };
}

function sameMembers(left: readonly string[], right: readonly string[]): boolean {
  if (left.length !== right.length) return false;
  const known = new Set(left);
  return right.every((member) => known.has(member));
}
