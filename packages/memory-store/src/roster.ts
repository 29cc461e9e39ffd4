import type { RoomMember } from "@cm/protocol";
import type { Holder } from "./server-table.js";

interface Entry extends RoomMember {
  readonly owner: Holder;
  /** Place in the order of joining; grows over all rooms and is never given twice. */
  readonly order: number;
  gone: boolean;
}

/** Below this many holes it is not worth closing them. */
const HOLES_MIN = 32;

/**
 * The members of one room, in the order of joining. A page begins where the last one
 * ended in that order, found by bisection, so whoever stays keeps their place whatever
 * others do. One who leaves makes a hole; once holes outnumber members they are closed,
 * which costs a leave O(1) over time.
 */
export class Roster {
  readonly #byId = new Map<string, Entry>();
  readonly #byOwner = new Map<Holder, number>();
  #entries: Entry[] = [];

  get size(): number {
    return this.#byId.size;
  }

  /** Whether the member was added; `false` where it was there already, from the same owner. */
  add(member: RoomMember, owner: Holder, order: number): boolean {
    const { connectionId, userId } = member;
    const known = this.#byId.get(connectionId);
    if (known !== undefined) {
      if (known.owner === owner && known.userId === userId) return false;
      this.#delete(known);
    }
    const entry: Entry = { connectionId, userId, owner, order, gone: false };
    this.#byId.set(connectionId, entry);
    this.#entries.push(entry);
    this.#byOwner.set(owner, (this.#byOwner.get(owner) ?? 0) + 1);
    return true;
  }

  /** Takes a member of this owner out. */
  remove(connectionId: string, owner: Holder): void {
    const entry = this.#byId.get(connectionId);
    if (entry?.owner !== owner) return;
    this.#delete(entry);
    this.#closeHoles();
  }

  /** Takes all members of an owner out and says who they were. */
  removeAll(owner: Holder): RoomMember[] {
    if (!this.#byOwner.has(owner)) return [];
    const removed = this.#entries.filter((entry) => !entry.gone && entry.owner === owner);
    for (const entry of removed) this.#delete(entry);
    this.#closeHoles();
    return removed.map(toMember);
  }

  /** Members of owners that live. */
  count(lives: (owner: Holder) => boolean): number {
    let total = 0;
    for (const [owner, members] of this.#byOwner) if (lives(owner)) total += members;
    return total;
  }

  /**
   * Up to `limit` members that joined after `after` and not later than `until`, and the
   * order of the last one looked at where more may follow.
   */
  page(
    after: number,
    until: number,
    limit: number,
    lives: (owner: Holder) => boolean,
  ): { readonly items: RoomMember[]; readonly next: number | undefined } {
    const items: RoomMember[] = [];
    for (let i = this.#firstAfter(after); i < this.#entries.length; i++) {
      const entry = this.#entries[i];
      if (entry === undefined || entry.order > until) break;
      if (entry.gone || !lives(entry.owner)) continue;
      // Told only once one more is found, so that the last page knows that it is the last.
      if (items.length === limit) return { items, next: this.#orderBefore(i) };
      items.push(toMember(entry));
    }
    return { items, next: undefined };
  }

  #orderBefore(index: number): number {
    return this.#entries[index - 1]?.order ?? 0;
  }

  #firstAfter(order: number): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle]?.order ?? 0) > order) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #delete(entry: Entry): void {
    entry.gone = true;
    this.#byId.delete(entry.connectionId);
    const left = (this.#byOwner.get(entry.owner) ?? 0) - 1;
    if (left > 0) this.#byOwner.set(entry.owner, left);
    else this.#byOwner.delete(entry.owner);
  }

  #closeHoles(): void {
    const holes = this.#entries.length - this.#byId.size;
    if (holes < HOLES_MIN || holes <= this.#byId.size) return;
    this.#entries = this.#entries.filter((entry) => !entry.gone);
  }
}

function toMember({ connectionId, userId }: Entry): RoomMember {
  return { connectionId, userId };
}
