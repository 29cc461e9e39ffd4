import type { ConnectionRecord, ReapClaim, UserConnection } from "@cm/protocol";
import type { MembershipStore } from "../options.js";
import { type PermanentErrors, together } from "../projection/permanent-errors.js";
import type { HeldClaim } from "./held-claim.js";

/** Number of shelves that are read concurrently. */
const SHELVES_AT_ONCE = 8;

/**
 * Number of records, plus rooms named in them, at which reading pauses until they are cleaned up. Large
 * groups save calls: a store keeps users and rooms in hundreds of partitions and writes to each separately.
 */
const GROUP_SIZE = 8_000;

/** Maximum number of connections of users that one step removes: 2 to 3 ms of the store's time. */
const USERS_AT_ONCE = 250;

/** Maximum number of rooms that one step clears. */
const ROOMS_AT_ONCE = 100;

/** Number of concurrent steps: keeps both the store and this server busy, and both can do other work in between. */
const STEPS_AT_ONCE = 2;

/** Maximum number of rooms remembered as cleared. Any other room is cleared again if a later record names it. */
const CLEARED_MAX = 100_000;

/** Options of {@link DeadServerCleanup}. */
export interface DeadServerCleanupOptions {
  readonly store: Pick<MembershipStore, "partitioning" | "upkeep">;
  readonly claim: HeldClaim;
  readonly refusals: PermanentErrors;
  /** Aborts the cleanup between two steps. */
  readonly signal: AbortSignal;
}

/** A shelf that was read. `records` is `undefined` if the store cannot read the shelf. */
interface Shelf {
  readonly shelf: number;
  readonly records: readonly ConnectionRecord[] | undefined;
}

/** Starts the writes of one step under the claim. */
type Step = (claim: ReapClaim) => readonly Promise<unknown>[];

/**
 * Removes a dead server's entries from the store, a group of shelves at a time: first the connections of
 * users and the members of rooms, then the records that name them. Users and rooms are sorted by
 * partition, so that those of one partition share a call.
 */
export class DeadServerCleanup {
  readonly #options: DeadServerCleanupOptions;
  /** Rooms from which all of the server's members were removed. */
  readonly #cleared = new Set<string>();

  constructor(options: DeadServerCleanupOptions) {
    this.#options = options;
  }

  /** Resolves with the number of connections of the dead server, or `undefined` if the claim was lost. */
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
        // `records` is `undefined` if the store cannot read the shelf; the dead server's entries on it are
        // removed nevertheless.
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

  /** Cleans up after one group. Resolves with `false` if the claim was lost. */
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
    // Clear the shelves last, so that another reaper can find unfinished users and rooms through the records.
    const shelves = group.filter((shelf) => shelf.records?.length !== 0);
    return this.#write(
      chunks(shelves, SHELVES_AT_ONCE).map(
        (some): Step =>
          (claim) =>
            some.map(({ shelf }) => projection.evict(claim, { shelf })),
      ),
    );
  }

  /** Runs the steps in order, `STEPS_AT_ONCE` at a time. Resolves with `false` if the claim was lost. */
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

  /**
   * Runs one step, and repeats it if the claim ended while the step ran: writes after the claim's end have no
   * effect.
   */
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
