import type { RoomMember } from "@cm/protocol";
import { type Ordered, OrderedList } from "../ordered-list.js";
import type { Incarnation } from "../servers/server-table.js";

interface Entry extends RoomMember, Ordered {
  readonly owner: Incarnation;
}

/** The members of one room, in the order of joining, which is counted across all rooms. */
export class Roster {
  readonly #byId = new Map<string, Entry>();
  readonly #byOwner = new Map<Incarnation, number>();
  readonly #entries = new OrderedList<Entry>();

  get size(): number {
    return this.#byId.size;
  }

  /** Whether the connection is a member owned by this incarnation. */
  has(connectionId: string, owner: Incarnation): boolean {
    return this.#byId.get(connectionId)?.owner === owner;
  }

  /** Adds a member. Returns `false` if it was already a member with the same owner and user. */
  add(member: RoomMember, owner: Incarnation, order: number): boolean {
    const { connectionId, userId } = member;
    const known = this.#byId.get(connectionId);
    if (known !== undefined) {
      if (known.owner === owner && known.userId === userId) return false;
      this.#delete(known);
    }
    const entry: Entry = { connectionId, userId, owner, order, gone: false };
    this.#byId.set(connectionId, entry);
    this.#entries.add(entry);
    this.#byOwner.set(owner, (this.#byOwner.get(owner) ?? 0) + 1);
    return true;
  }

  /** Removes and returns a member; `undefined` if the connection is not a member with this owner. */
  remove(connectionId: string, owner: Incarnation): RoomMember | undefined {
    const entry = this.#byId.get(connectionId);
    if (entry?.owner !== owner) return undefined;
    this.#delete(entry);
    return toMember(entry);
  }

  /** The incarnations that own members. */
  owners(): Iterable<Incarnation> {
    return this.#byOwner.keys();
  }

  /** Removes and returns all members whose owner satisfies `owns`. */
  removeAll(owns: (owner: Incarnation) => boolean): RoomMember[] {
    const removed = this.#entriesOf(owns);
    for (const entry of removed) this.#delete(entry);
    return removed.map(toMember);
  }

  /** The members whose owner satisfies `owns`. */
  membersOf(owns: (owner: Incarnation) => boolean): RoomMember[] {
    return this.#entriesOf(owns).map(toMember);
  }

  /** Number of members whose owner is alive. */
  count(lives: (owner: Incarnation) => boolean): number {
    let total = 0;
    for (const [owner, members] of this.#byOwner) if (lives(owner)) total += members;
    return total;
  }

  /**
   * Returns up to `limit` members whose order is greater than `after` and at most `until`, and the order of
   * the last member that was checked, or `undefined` if no more members follow.
   */
  page(
    after: number,
    until: number,
    limit: number,
    lives: (owner: Incarnation) => boolean,
  ): { readonly items: RoomMember[]; readonly next: number | undefined } {
    const { items, next } = this.#entries.page(after, until, limit, ({ owner }) => lives(owner));
    return { items: items.map(toMember), next };
  }

  #entriesOf(owns: (owner: Incarnation) => boolean): Entry[] {
    return [...this.#byOwner.keys()].some(owns) ? this.#entries.filter(({ owner }) => owns(owner)) : [];
  }

  #delete(entry: Entry): void {
    this.#entries.remove(entry);
    this.#byId.delete(entry.connectionId);
    const left = (this.#byOwner.get(entry.owner) ?? 0) - 1;
    if (left > 0) this.#byOwner.set(entry.owner, left);
    else this.#byOwner.delete(entry.owner);
  }
}

function toMember({ connectionId, userId }: Entry): RoomMember {
  return { connectionId, userId };
}
