import { CmError, type ConnectionRecord, partitionOf, type ReapClaim, type UserConnection } from "@cm/protocol";
import { awaitAll } from "@cm/protocol/turns";
import { batches } from "../batches.js";
import type { MembershipStore } from "../options.js";
import { isPassingError, type PermanentErrors } from "../projection/permanent-errors.js";
import type { HeldClaim } from "./held-claim.js";

/** Number of record partitions that are read concurrently. */
const PARTITIONS_AT_ONCE = 8;

/**
 * Number of records, plus rooms named in them, at which reading pauses until they are cleaned up. Large
 * groups save calls: a store keeps users and rooms in hundreds of partitions and writes to each separately.
 */
const GROUP_SIZE = 16_000;

/**
 * Maximum cost of one step, in entries: about a millisecond of the store's time. Only one step is in flight, and a
 * store may carry out the calls of a step without a pause, so this is also how long other callers wait.
 */
const STEP_COST = 250;

/** Costs in entries, which are users' connections or rooms' members: of the call for a partition, and of a room. */
const CALL_COST = 10;
const ROOM_COST = 2;

/** How often a step is repeated because its claim ended while it ran. */
const REPEATS_MAX = 3;

/** Maximum number of rooms remembered as cleared. Any other room is cleared again if a later record names it. */
const CLEARED_MAX = 100_000;

/** Options of {@link DeadServerCleanup}. */
export interface DeadServerCleanupOptions {
  readonly store: Pick<MembershipStore, "partitions" | "upkeep">;
  readonly claim: HeldClaim;
  readonly permanentErrors: PermanentErrors;
  /** Aborts the cleanup between two steps. */
  readonly signal: AbortSignal;
}

/** A record partition that was read. `records` is `undefined` if the store cannot read the record partition. */
interface ReadRecords {
  readonly recordPartition: number;
  readonly records: readonly ConnectionRecord[] | undefined;
}

/** Starts the writes of one step under the claim. */
type Step = (claim: ReapClaim) => readonly Promise<unknown>[];

/** Record partitions that were read, with their users and rooms by partition. */
interface Group {
  readonly reads: ReadRecords[];
  readonly users: Map<number, UserConnection[]>;
  /** The number of members that the records name, by room. */
  readonly rooms: Map<number, Map<string, number>>;
}

/**
 * Removes a dead server's entries from the store, a group of record partitions at a time: first the connections of
 * users and the members of rooms, then the records that name them. Entries of one partition share a call. Small
 * steps follow one another, so that other callers of the store have their turn in between.
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
    const { recordPartitions } = this.#options.claim;
    let connections = 0;
    for (let from = 0; from < recordPartitions; ) {
      const group = await this.#read(from);
      if (group === undefined || !(await this.#clear(group))) return undefined;
      for (const { records } of group.reads) connections += records?.length ?? 0;
      from += group.reads.length;
    }
    return connections;
  }

  async #read(from: number): Promise<Group | undefined> {
    const { store, claim, permanentErrors, signal } = this.#options;
    const group: Group = { reads: [], users: new Map(), rooms: new Map() };
    for (let size = 0; size < GROUP_SIZE && from + group.reads.length < claim.recordPartitions; ) {
      signal.throwIfAborted();
      const given = await claim.current();
      if (given === undefined) return undefined;
      const first = from + group.reads.length;
      const count = Math.min(PARTITIONS_AT_ONCE, claim.recordPartitions - first);
      const reads = Array.from({ length: count }, async (_, i): Promise<ReadRecords> => {
        const recordPartition = first + i;
        // `records` is `undefined` if the store cannot read the record partition; the dead server's entries in it are
        // removed nevertheless.
        const [records] = await permanentErrors.awaitAccepted([
          store.upkeep.projection.held(given.claim, "records", recordPartition),
        ]);
        return { recordPartition, records };
      });
      for (const read of await awaitAll(reads, isPassingError)) {
        group.reads.push(read);
        for (const record of read.records ?? []) {
          this.#sort(group, record);
          size += 1 + record.rooms.length;
        }
      }
    }
    return group;
  }

  /**
   * Sorts a record's user and rooms by partition. Called after each read, so that the work is spread over the
   * reads.
   */
  #sort({ users, rooms }: Group, record: ConnectionRecord): void {
    const { partitions } = this.#options.store;
    const { userId, connectionId } = record;
    entryOf(users, partitionOf(userId, partitions), () => []).push({ userId, connectionId });
    for (const room of record.rooms) {
      if (this.#cleared.has(room)) continue;
      const members = entryOf(rooms, partitionOf(room, partitions), () => new Map<string, number>());
      members.set(room, (members.get(room) ?? 0) + 1);
    }
  }

  /** Cleans up after one group. Resolves with `false` if the claim was lost. */
  async #clear({ reads, users, rooms }: Group): Promise<boolean> {
    const { projection } = this.#options.store.upkeep;
    const usersDone = await this.#write(
      steps(users, () => 1),
      (some) => (claim) => [projection.evict(claim, { users: some })],
    );
    if (!usersDone) return false;
    const named = new Map([...rooms].map(([partition, members]) => [partition, [...members]] as const));
    const roomsDone = await this.#write(
      steps(named, ([, members]) => ROOM_COST + members),
      (some) => (claim) => some.map(([room]) => projection.evict(claim, { room })),
    );
    if (!roomsDone) return false;
    for (const [room] of [...named.values()].flat()) {
      if (this.#cleared.size < CLEARED_MAX) this.#cleared.add(room);
    }
    // Clear the record partitions last, so that another reaper can find unfinished users and rooms through the records.
    const used = reads.filter(({ records }) => records?.length !== 0);
    return this.#write(
      batches(used, PARTITIONS_AT_ONCE),
      (some) => (claim) => some.map(({ recordPartition }) => projection.evict(claim, { recordPartition })),
    );
  }

  /** Runs one step for each part, one after the other. Resolves with `false` if the claim was lost. */
  async #write<T>(parts: Iterable<readonly T[]>, stepOf: (part: readonly T[]) => Step): Promise<boolean> {
    for (const part of parts) if (!(await this.#take(stepOf(part)))) return false;
    return true;
  }

  /**
   * Runs one step, and repeats it if the claim ended while the step ran: writes after the claim's end have no
   * effect. Throws `timeout` if the claim also ended during the last repeat: this server or its link to the store
   * is too slow, and another server may be faster.
   */
  async #take(step: Step): Promise<boolean> {
    const { claim, permanentErrors, signal } = this.#options;
    for (let repeats = 0; repeats <= REPEATS_MAX; repeats++) {
      signal.throwIfAborted();
      const given = await claim.current();
      if (given === undefined) return false;
      await permanentErrors.awaitAccepted(step(given.claim));
      if (performance.now() < given.endsAtMs) return true;
    }
    throw new CmError(
      "timeout",
      `Cleaning up after server ${claim.serverId} is left to another server: one step took longer than the claim ` +
        `lasts, ${REPEATS_MAX + 1} times.`,
    );
  }
}

/** Splits the entries, one partition after the other, into parts that cost at most `STEP_COST` or have one entry. */
function* steps<T>(byPartition: ReadonlyMap<number, readonly T[]>, costOf: (entry: T) => number): Generator<T[]> {
  let part: T[] = [];
  let cost = 0;
  for (const entries of byPartition.values()) {
    cost += CALL_COST;
    for (const entry of entries) {
      const added = costOf(entry);
      if (part.length > 0 && cost + added > STEP_COST) {
        yield part;
        part = [];
        cost = CALL_COST;
      }
      part.push(entry);
      cost += added;
    }
  }
  if (part.length > 0) yield part;
}

function entryOf<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const created = create();
  map.set(key, created);
  return created;
}
