import {
  type AddOptions,
  type Lease,
  type Page,
  type PageRequest,
  type PartitionReconciliation,
  partitionOf,
  type ReapClaim,
  type RemoveOptions,
  type UserConnection,
  type UserState,
} from "@cm/protocol";
import { requirePage } from "@cm/protocol/options";
import {
  cursorInvalid,
  requireDurationOrNone,
  requirePartition,
  requireStatesCount,
  tooManyConnections,
} from "@cm/protocol/store";
import type { ChannelTable } from "../bus/channel-table.js";
import { PARTITIONS } from "../partitions.js";
import { distinctHolders, type Incarnation, type ServerTable } from "../servers/server-table.js";
import { LastSeen, type LastSeenLimits } from "./last-seen.js";
import { PresenceFeed } from "./presence-feed.js";
import { UserPartition } from "./user-partition.js";

/**
 * A cursor consists of the partition and two numbers of the order of coming online: the one after which to
 * continue, and the one at which the reading ends. All three are in base 36.
 */
const CURSOR = /^([0-9a-z]{1,2})\.([0-9a-z]{1,11})\.([0-9a-z]{1,11})$/;

/** The connections of all users. */
export class UserTable {
  readonly #servers: ServerTable;
  readonly #now: () => number;
  readonly #seen: LastSeen;
  readonly #partitions: readonly UserPartition[];
  readonly #lives: (owner: Incarnation) => boolean;
  #lastOrder = 0;

  constructor(servers: ServerTable, channels: ChannelTable, now: () => number) {
    const seen = new LastSeen(now);
    this.#servers = servers;
    this.#now = now;
    this.#seen = seen;
    this.#partitions = Array.from(
      { length: PARTITIONS },
      (_, partition) => new UserPartition(new PresenceFeed(partition, channels, now), seen),
    );
    this.#lives = (owner) => servers.lives(owner);
  }

  /** Number of online users. */
  get size(): number {
    return this.#partitions.reduce((total, { size }) => total + size, 0);
  }

  /** Number of connections of all users. */
  get connections(): number {
    return this.#partitions.reduce((total, { connections }) => total + connections, 0);
  }

  /** Number of offline users whose last time online is remembered. */
  get remembered(): number {
    return this.#seen.size;
  }

  add(
    lease: Lease,
    connections: readonly UserConnection[],
    { quiet = false, onlyExisting = false, maxPerUser = 0 }: AddOptions = {},
  ): void {
    const owner = this.#servers.holder(lease);
    if (onlyExisting) {
      for (const connection of connections) this.#of(connection.userId).update(connection, owner, quiet);
      return;
    }
    if (maxPerUser > 0) this.#requirePlaces(connections, maxPerUser);
    for (const connection of connections) this.#of(connection.userId).add(connection, owner, ++this.#lastOrder, quiet);
  }

  #requirePlaces(connections: readonly UserConnection[], max: number): void {
    const added = new Map<string, Set<string>>();
    for (const { userId, connectionId } of connections) {
      if (this.#of(userId).has(userId, connectionId)) continue;
      const ids = added.get(userId) ?? new Set();
      added.set(userId, ids.add(connectionId));
      if (this.#of(userId).countOf(userId) + ids.size <= max) continue;
      throw tooManyConnections();
    }
  }

  remove(
    lease: Lease,
    connections: readonly UserConnection[],
    { graceMs }: RemoveOptions,
    limits: LastSeenLimits,
  ): void {
    requireDurationOrNone(graceMs, "graceMs");
    const owner = this.#servers.holder(lease);
    const owns = (each: Incarnation): boolean => each === owner;
    this.#remove(owns, connections, graceMs === 0 ? undefined : this.#now() + graceMs, limits);
  }

  evict(claim: ReapClaim, connections: readonly UserConnection[], limits: LastSeenLimits): void {
    const owns = this.#servers.evicted(claim);
    if (owns !== undefined) this.#remove(owns, connections, undefined, limits);
  }

  endGracePeriods(partitions: readonly number[], limits: LastSeenLimits): number | undefined {
    const now = this.#now();
    let next: number | undefined;
    for (const partition of partitions.map((each) => requirePartition(this.#partitions, each))) {
      const at = partition.endGracePeriods(now, limits);
      if (at !== undefined) next = Math.min(next ?? at, at);
    }
    return next === undefined ? undefined : next - now;
  }

  states(userIds: readonly string[]): UserState[] {
    requireStatesCount(userIds);
    return userIds.map((userId) => this.#state(userId));
  }

  online(page: PageRequest, only?: number): Page<UserState> {
    const { cursor, limit } = requirePage(page);
    if (only !== undefined) requirePartition(this.#partitions, only);
    // Users who come online during a reading are left out, so that the reading ends.
    const start = { partition: only ?? 0, after: 0, until: this.#lastOrder };
    const { partition: first, after, until } = cursor === undefined ? start : this.#readCursor(cursor, only);
    const items: UserState[] = [];
    const end = only === undefined ? PARTITIONS : only + 1;
    for (let partition = first; partition < end; partition++) {
      const from = partition === first ? after : 0;
      if (items.length === limit) return { items, cursor: cursorOf(partition, from, until) };
      const page = requirePartition(this.#partitions, partition).page(from, until, limit - items.length, this.#lives);
      items.push(...page.items);
      if (page.next !== undefined) return { items, cursor: cursorOf(partition, page.next, until) };
    }
    return { items, cursor: undefined };
  }

  held(right: Lease | ReapClaim, partition: number): UserConnection[] {
    return requirePartition(this.#partitions, partition).held(this.#servers.seen(right));
  }

  /** Corrects nothing, because no data is derived here. Returns the incarnations that own connections. */
  reconcile(partition: number): PartitionReconciliation {
    return { repaired: 0, holders: distinctHolders(requirePartition(this.#partitions, partition).owners()) };
  }

  #of(userId: string): UserPartition {
    return requirePartition(this.#partitions, partitionOf(userId, PARTITIONS));
  }

  #state(userId: string): UserState {
    return this.#of(userId).state(userId, this.#lives);
  }

  #remove(
    owns: (owner: Incarnation) => boolean,
    connections: readonly UserConnection[],
    leavesAtMs: number | undefined,
    limits: LastSeenLimits,
  ): void {
    for (const connection of connections) this.#of(connection.userId).remove(connection, owns, leavesAtMs, limits);
  }

  #readCursor(
    cursor: unknown,
    only: number | undefined,
  ): { readonly partition: number; readonly after: number; readonly until: number } {
    const match = typeof cursor === "string" ? CURSOR.exec(cursor) : null;
    const [partition, after, until] = [1, 2, 3].map((i) => Number.parseInt(match?.[i] ?? "", 36));
    if (partition === undefined || after === undefined || until === undefined) throw cursorInvalid("users");
    // A cursor whose numbers could not be parsed (NaN) fails these comparisons too.
    const isOwn = after >= 0 && after <= until && until <= this.#lastOrder && partition < PARTITIONS;
    if (!isOwn || (only !== undefined && partition !== only)) throw cursorInvalid("users");
    return { partition, after, until };
  }
}

function cursorOf(partition: number, after: number, until: number): string {
  return [partition, after, until].map((each) => each.toString(36)).join(".");
}
