import type { ConnectionRecord, ReapClaim, UserConnection } from "@cm/protocol";
import type { MembershipStore } from "../options.js";
import { type PermanentErrors, together } from "../projection/permanent-errors.js";
import type { HeldClaim } from "./held-claim.js";

/** Shelves that are read at a time. */
const SHELVES_AT_ONCE = 8;

/**
 * Records, and rooms in them, after which no more shelves are read before these are cleaned up: a store
 * keeps users and rooms in hundreds of partitions, and writes to each of them by itself.
 */
const GROUP_SIZE = 8_000;

/** Users that one step removes: two or three milliseconds of a store's time. */
const USERS_AT_ONCE = 250;

/** Rooms that one step clears. */
const ROOMS_AT_ONCE = 100;

/** Steps under way at a time: neither the store nor this server waits for the other, and both serve others in between. */
const STEPS_AT_ONCE = 2;

/** Rooms that are remembered as cleared; one that is not is cleared again with the next record that names it. */
const CLEARED_MAX = 100_000;

/** What a {@link DeadServerCleanup} needs. */
export interface DeadServerCleanupOptions {
  readonly store: Pick<MembershipStore, "partitioning" | "upkeep">;
  readonly claim: HeldClaim;
  readonly refusals: PermanentErrors;
  /** Ends it between two steps. */
  readonly signal: AbortSignal;
}

/** One shelf; its records are `undefined` where the store can't read it. */
interface Shelf {
  readonly shelf: number;
  readonly records: readonly ConnectionRecord[] | undefined;
}

/** What is written at a time, under the claim. */
type Step = (claim: ReapClaim) => readonly Promise<unknown>[];

/**
 * Removes what a dead server has in the store: connections of users and members of rooms, then the
 * records that lead to them, some shelves at a time. Users and rooms are written in the order of
 * their partitions, so that those of one partition share a call.
 */
export class DeadServerCleanup {
  readonly #options: DeadServerCleanupOptions;
  /** Rooms that are done: the server's members in them were all removed at once. */
  readonly #cleared = new Set<string>();

  constructor(options: DeadServerCleanupOptions) {
    this.#options = options;
  }

  /** Resolves with the number of connections; `undefined` where the claim was lost. */
  async run(): Promise<number | undefined> {
    const { shelves } = this.#options.claim;
    let connections = 0;
    for (let from = 0; from < shelves; ) {
      const group = await this.#read(from);
      if (group === undefined || !(await this.#clear(group))) return undefined;
      for (const { records } of group) connections += records?.length ?? 0;
      from += group.length;
    }
    return connections;
  }

  async #read(from: number): Promise<Shelf[] | undefined> {
    const { store, claim, refusals, signal } = this.#options;
    const group: Shelf[] = [];
    for (let size = 0; size < GROUP_SIZE && from + group.length < claim.shelves; ) {
      signal.throwIfAborted();
      const given = await claim.current();
      if (given === undefined) return undefined;
      const first = from + group.length;
      const count = Math.min(SHELVES_AT_ONCE, claim.shelves - first);
      const read = Array.from({ length: count }, async (_, i): Promise<Shelf> => {
        const shelf = first + i;
        // None where the store can't read it: what the dead server owns of it is removed nevertheless.
        const [records] = await refusals.together([store.upkeep.projection.held(given.claim, "records", shelf)]);
        return { shelf, records };
      });
      group.push(...(await together(read)));
      for (const { records = [] } of group.slice(-count)) {
        for (const { rooms } of records) size += 1 + rooms.length;
      }
    }
    return group;
  }

  /** Whether the claim was held to the end. */
  async #clear(group: readonly Shelf[]): Promise<boolean> {
    const { projection } = this.#options.store.upkeep;
    const records = group.flatMap((shelf) => shelf.records ?? []);
    const users = this.#byPartition(
      records.map(({ userId, connectionId }): UserConnection => ({ userId, connectionId })),
      ({ userId }) => userId,
    );
    const named = new Set(records.flatMap(({ rooms }) => rooms.filter((room) => !this.#cleared.has(room))));
    const rooms = this.#byPartition([...named], (room) => room);
    const isDone = await this.#write([
      ...chunks(users, USERS_AT_ONCE).map(
        (some): Step =>
          (claim) => [projection.evict(claim, { users: some })],
      ),
      ...chunks(rooms, ROOMS_AT_ONCE).map(
        (some): Step =>
          (claim) =>
            some.map((room) => projection.evict(claim, { room })),
      ),
    ]);
    if (!isDone) return false;
    if (this.#cleared.size + rooms.length <= CLEARED_MAX) for (const room of rooms) this.#cleared.add(room);
    // Last, so that a successor finds again what was not finished.
    const shelves = group.filter((shelf) => shelf.records?.length !== 0);
    return this.#write(
      chunks(shelves, SHELVES_AT_ONCE).map(
        (some): Step =>
          (claim) =>
            some.map(({ shelf }) => projection.evict(claim, { shelf })),
      ),
    );
  }

  /** Takes the steps in their order, a few at a time; whether the claim was held to the end. */
  async #write(steps: readonly Step[]): Promise<boolean> {
    const waiting = steps.values();
    let isGoingOn = true;
    const work = async (): Promise<void> => {
      for (const step of waiting) {
        if (!isGoingOn) return;
        try {
          if (!(await this.#take(step))) isGoingOn = false;
        } catch (cause) {
          isGoingOn = false;
          throw cause;
        }
      }
    };
    await together(Array.from({ length: STEPS_AT_ONCE }, work));
    return isGoingOn;
  }

  /** Takes one step, again where the claim ended meanwhile: what comes after its end does nothing. */
  async #take(step: Step): Promise<boolean> {
    const { claim, refusals, signal } = this.#options;
    for (;;) {
      signal.throwIfAborted();
      const given = await claim.current();
      if (given === undefined) return false;
      await refusals.together(step(given.claim));
      if (performance.now() < given.endsAtMs) return true;
    }
  }

  #byPartition<T>(items: readonly T[], nameOf: (item: T) => string): T[] {
    const { partitioning } = this.#options.store;
    const placed = items.map((item) => ({ item, partition: partitioning.partitionOf(nameOf(item)) }));
    return placed.sort((left, right) => left.partition - right.partition).map(({ item }) => item);
  }
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}
