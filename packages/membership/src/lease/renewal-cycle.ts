import type { Lease } from "@cm/protocol";
import type { OwnedConnections } from "../connections/owned-connections.js";
import type { MembershipStore } from "../options.js";

/**
 * Renews the TTLs of this server's entries in the store, a few partitions at a time: every TTL is renewed three
 * times before it would end, and the work is spread over the heartbeats.
 */
export class RenewalCycle {
  readonly #store: MembershipStore;
  readonly #recordPartitions: number;
  readonly #partitionsABeat: number;
  #nextRecordPartition = 0;
  readonly #rooms: Cycle;
  readonly #users: Cycle;

  constructor(options: {
    readonly store: MembershipStore;
    readonly local: OwnedConnections;
    readonly partitionBits: number;
    readonly ttlMs: number;
    readonly beatMs: number;
  }) {
    this.#store = options.store;
    this.#recordPartitions = 2 ** options.partitionBits;
    // Number of heartbeats per cycle.
    const beats = Math.max(1, Math.floor(options.ttlMs / 3 / options.beatMs));
    const { local } = options;
    this.#partitionsABeat = Math.ceil(this.#recordPartitions / beats);
    this.#rooms = new Cycle(
      beats,
      () => local.rooms.names(),
      (room) => local.rooms.has(room),
    );
    this.#users = new Cycle(
      beats,
      () => local.userIds(),
      (userId) => local.hasUser(userId),
    );
  }

  async beat(lease: Lease): Promise<void> {
    const from = this.#nextRecordPartition;
    const to = Math.min(this.#recordPartitions, from + this.#partitionsABeat);
    this.#nextRecordPartition = to === this.#recordPartitions ? 0 : to;
    const parts = { recordPartitions: { from, to }, rooms: this.#rooms.next(), users: this.#users.next() };
    await this.#store.upkeep.projection.renew(lease, parts);
  }
}

/**
 * Iterates over names in cycles of a fixed number of heartbeats: every name that exists when a cycle begins
 * is visited once in it. Keeps a copy of the names, because a map iterator that is kept between two
 * heartbeats retains every hash table that the map has replaced since, with its contents.
 */
class Cycle {
  readonly #beats: number;
  readonly #all: () => Iterable<string>;
  readonly #isThere: (name: string) => boolean;
  #names: readonly string[] = [];
  #next = 0;

  constructor(beats: number, all: () => Iterable<string>, isThere: (name: string) => boolean) {
    this.#beats = beats;
    this.#all = all;
    this.#isThere = isThere;
  }

  /** Returns the names for the next heartbeat, without those removed since the cycle began. */
  next(): string[] {
    if (this.#next >= this.#names.length) {
      this.#names = [...this.#all()];
      this.#next = 0;
    }
    const from = this.#next;
    this.#next += Math.ceil(this.#names.length / this.#beats);
    return this.#names.slice(from, this.#next).filter(this.#isThere);
  }
}
