import { CmError, type Lease, type Page, type PageRequest, type ReapClaim, type RoomMember } from "@cm/protocol";
import { Roster } from "./roster.js";
import type { Holder, ServerTable } from "./server-table.js";

/** The largest page that the contract allows. */
const LIMIT_MAX = 1000;

/** Where to go on and where the reading ends, as two places in the order of joining. */
const CURSOR = /^([0-9a-z]{1,11})\.([0-9a-z]{1,11})$/;

/** Who is in which room. */
export class RoomTable {
  readonly #servers: ServerTable;
  readonly #rosters = new Map<string, Roster>();
  readonly #lives: (owner: Holder) => boolean;
  #lastOrder = 0;

  constructor(servers: ServerTable) {
    this.#servers = servers;
    this.#lives = (owner) => servers.lives(owner);
  }

  get size(): number {
    return this.#rosters.size;
  }

  join(lease: Lease, room: string, members: readonly RoomMember[]): void {
    const owner = this.#servers.holder(lease);
    if (members.length === 0) return;
    const roster = this.#rosters.get(room) ?? new Roster();
    this.#rosters.set(room, roster);
    for (const member of members) {
      if (roster.add(member, owner, this.#lastOrder + 1)) this.#lastOrder++;
    }
  }

  leave(lease: Lease, room: string, members: readonly RoomMember[]): void {
    const owner = this.#servers.holder(lease);
    const roster = this.#rosters.get(room);
    if (roster === undefined) return;
    for (const { connectionId } of members) roster.remove(connectionId, owner);
    this.#dropEmpty(room, roster);
  }

  members(room: string, request: PageRequest): Page<RoomMember> {
    const { limit, cursor } = request;
    if (!Number.isInteger(limit) || limit < 1 || limit > LIMIT_MAX) {
      throw new CmError("options-invalid", `limit must be a whole number from 1 to ${LIMIT_MAX}.`);
    }
    // Those who join during a reading are left out, so that it ends in a busy room too.
    const { after, until } = cursor === undefined ? { after: 0, until: this.#lastOrder } : this.#readCursor(cursor);
    const page = this.#rosters.get(room)?.page(after, until, limit, this.#lives);
    return {
      items: page?.items ?? [],
      cursor: page?.next === undefined ? undefined : `${page.next.toString(36)}.${until.toString(36)}`,
    };
  }

  count(room: string): number {
    return this.#rosters.get(room)?.count(this.#lives) ?? 0;
  }

  evict(claim: ReapClaim, room: string): RoomMember[] {
    const owner = this.#servers.claimed(claim);
    const roster = this.#rosters.get(room);
    if (owner === undefined || roster === undefined) return [];
    const evicted = roster.removeAll(owner);
    this.#dropEmpty(room, roster);
    return evicted;
  }

  #dropEmpty(room: string, roster: Roster): void {
    if (roster.size === 0) this.#rosters.delete(room);
  }

  #readCursor(cursor: unknown): { readonly after: number; readonly until: number } {
    const match = typeof cursor === "string" ? CURSOR.exec(cursor) : null;
    const after = Number.parseInt(match?.[1] ?? "", 36);
    const until = Number.parseInt(match?.[2] ?? "", 36);
    // False for NaN as well.
    if (after >= 1 && after <= until && until <= this.#lastOrder) return { after, until };
    throw new CmError("options-invalid", "This is not a cursor of a members page.");
  }
}
