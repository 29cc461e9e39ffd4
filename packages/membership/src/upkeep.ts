import type { Lease } from "@cm/protocol";
import type { LocalConnections } from "./local-connections.js";
import type { MembershipStore } from "./options.js";

/**
 * Renews the store's times to live a slice at a time, so that everything is renewed
 * three times within the time to live and no heartbeat carries all of it.
 */
export class Upkeep {
  readonly #store: MembershipStore;
  readonly #local: LocalConnections;
  readonly #shelves: number;
  /** Beats in which everything comes by once. */
  readonly #beats: number;
  #nextShelf = 0;
  #rooms: MapIterator<string>;
  #users: MapIterator<string>;

  constructor(options: {
    readonly store: MembershipStore;
    readonly local: LocalConnections;
    readonly shelfBits: number;
    readonly ttlMs: number;
    readonly beatMs: number;
  }) {
    this.#store = options.store;
    this.#local = options.local;
    this.#shelves = 2 ** options.shelfBits;
    this.#beats = Math.max(1, Math.floor(options.ttlMs / 3 / options.beatMs));
    this.#rooms = options.local.roomNames();
    this.#users = options.local.userIds();
  }

  async beat(lease: Lease): Promise<void> {
    const from = this.#nextShelf;
    const to = Math.min(this.#shelves, from + Math.ceil(this.#shelves / this.#beats));
    this.#nextShelf = to === this.#shelves ? 0 : to;
    const rooms = take(this.#rooms, this.#local.roomCount / this.#beats);
    if (rooms.ended) this.#rooms = this.#local.roomNames();
    const users = take(this.#users, this.#local.userCount / this.#beats);
    if (users.ended) this.#users = this.#local.userIds();
    await Promise.all([
      this.#store.connections.renew(lease, from, to),
      rooms.items.length > 0 ? this.#store.rooms.renew(lease, rooms.items) : undefined,
      users.items.length > 0 ? this.#store.users.renew(lease, users.items) : undefined,
    ]);
  }
}

function take(iterator: Iterator<string>, share: number): { items: string[]; ended: boolean } {
  const items: string[] = [];
  for (let count = Math.ceil(share); count > 0; count--) {
    const next = iterator.next();
    if (next.done === true) return { items, ended: true };
    items.push(next.value);
  }
  return { items, ended: false };
}
