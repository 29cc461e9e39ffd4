import {
  type AddOptions,
  type Lease,
  type Page,
  type PageRequest,
  type PartitionReconciliation,
  type PresenceChangeKind,
  partitionOf,
  type ReapClaim,
  type RemoveOptions,
  type UserConnection,
  type UserState,
} from "@cm/protocol";
import { requireDurationOrNone, requireStatesCount, tooManyConnections } from "@cm/protocol/store";
import { PARTITIONS } from "../partitions.js";
import type { Channels } from "./channels.js";
import { pageOf } from "./pages.js";
import { incarnationsOf, type Servers } from "./servers.js";
import { changeText, Versions } from "./versions.js";

/** Time in milliseconds, and maximum number of users, for which the hub remembers when users were last online. */
const SEEN_MS = 86_400_000;
const SEEN_MAX = 100_000;

interface Owned {
  readonly owner: string;
  /** JSON text. */
  readonly metadata: string | undefined;
}

interface User {
  readonly userId: string;
  readonly connections: Map<string, Owned>;
  /** Time at which the grace period ends; `undefined` while the user has connections. */
  leavesAtMs: number | undefined;
  /** Number in the order of coming online. */
  readonly order: number;
}

interface Change {
  readonly kind: PresenceChangeKind;
  readonly userId: string;
  readonly connectionId?: string;
  readonly metadata?: string | undefined;
  readonly replaced?: string | undefined;
}

/** Who is online, and with which connections. */
export class Users {
  readonly #servers: Servers;
  readonly #channels: Channels;
  readonly #now: () => number;
  readonly #versions: Versions;
  /** The version of the latest change of each feed. */
  readonly #feeds = new Map<number, number>();
  /** In the order of coming online. */
  readonly #users = new Map<string, User>();
  /** Times at which offline users were last online, in the order of going offline. */
  readonly #seen = new Map<string, number>();
  #lastOrder = 0;

  constructor(servers: Servers, channels: Channels, now: () => number) {
    this.#servers = servers;
    this.#channels = channels;
    this.#now = now;
    this.#versions = new Versions(now);
  }

  /** Number of users who are online, including those in a grace period. */
  get size(): number {
    return this.#users.size;
  }

  get connections(): number {
    return [...this.#users.values()].reduce((total, { connections }) => total + connections.size, 0);
  }

  /** Number of users plus number of connections. */
  get entries(): number {
    return this.size + this.connections;
  }

  add(
    lease: Lease,
    added: readonly UserConnection[],
    { quiet = false, onlyExisting = false, maxPerUser = 0 }: AddOptions = {},
  ): void {
    const owner = this.#servers.owner(lease);
    if (maxPerUser > 0 && !onlyExisting) this.#requirePlaces(added, maxPerUser);
    for (const { userId, connectionId, metadata } of added) {
      const before = this.#users.get(userId);
      if (onlyExisting && before?.connections.get(connectionId)?.owner !== owner) continue;
      const user = before ?? this.#enter(userId);
      const known = user.connections.get(connectionId);
      user.connections.set(connectionId, { owner, metadata });
      user.leavesAtMs = undefined;
      if (quiet || (known !== undefined && known.metadata === metadata)) continue;
      if (known !== undefined) {
        this.#tell({ kind: "updated", userId, connectionId, metadata, replaced: known.metadata });
      } else {
        this.#tell({ kind: before === undefined ? "online" : "opened", userId, connectionId, metadata });
      }
    }
  }

  remove(lease: Lease, connections: readonly UserConnection[], { graceMs }: RemoveOptions): void {
    const owner = this.#servers.owner(lease);
    requireDurationOrNone(graceMs, "graceMs");
    this.#remove(owner, connections, graceMs === 0 ? undefined : this.#now() + graceMs);
  }

  evict(claim: ReapClaim, connections: readonly UserConnection[]): void {
    const owner = this.#servers.ownerBy(claim);
    if (owner !== undefined) this.#remove(owner, connections, undefined);
  }

  endGracePeriods(partitions: readonly number[]): number | undefined {
    let next: number | undefined;
    for (const user of this.#users.values()) {
      const { userId, leavesAtMs } = user;
      if (leavesAtMs === undefined || !partitions.includes(partitionOf(userId, PARTITIONS))) continue;
      const leftMs = leavesAtMs - this.#now();
      if (leftMs > 0) next = Math.min(next ?? leftMs, leftMs);
      else this.#exit(user, { kind: "offline", userId });
    }
    return next;
  }

  states(userIds: readonly string[]): UserState[] {
    requireStatesCount(userIds);
    return userIds.map((userId) => this.#state(userId));
  }

  online(request: PageRequest, partition?: number): Page<UserState> {
    const isOnline = ({ userId, connections, leavesAtMs }: User): boolean => {
      if (partition !== undefined && partitionOf(userId, PARTITIONS) !== partition) return false;
      return leavesAtMs !== undefined || [...connections.values()].some(({ owner }) => this.#servers.lives(owner));
    };
    const { items, cursor } = pageOf(this.#users.values(), request, this.#lastOrder, isOnline);
    return { items: items.map(({ userId }) => this.#state(userId)), cursor };
  }

  held(right: Lease | ReapClaim, partition: number): UserConnection[] {
    const owner = this.#servers.ownerBy(right);
    return this.#of(partition).flatMap((user) => connectionsOf(user, (each) => each === owner));
  }

  /** Counts are computed from the entries and not stored, so there is nothing to repair. */
  reconcile(partition: number): PartitionReconciliation {
    const owners = this.#of(partition).flatMap(({ connections }) =>
      [...connections.values()].map(({ owner }) => owner),
    );
    return { repaired: 0, holders: incarnationsOf(owners) };
  }

  #of(partition: number): User[] {
    return [...this.#users.values()].filter(({ userId }) => partitionOf(userId, PARTITIONS) === partition);
  }

  #state(userId: string): UserState {
    const user = this.#users.get(userId);
    const seen = user === undefined ? this.#seen.get(userId) : undefined;
    return {
      userId,
      connections: user === undefined ? [] : connectionsOf(user, (owner) => this.#servers.lives(owner)),
      isLeaving: user?.leavesAtMs !== undefined,
      lastSeen: seen !== undefined && seen > this.#now() - SEEN_MS ? seen : undefined,
      version: this.#feeds.get(partitionOf(userId, PARTITIONS)) ?? 0,
    };
  }

  #requirePlaces(added: readonly UserConnection[], max: number): void {
    const wanted = new Map<string, Set<string>>();
    for (const { userId, connectionId } of added) {
      const ids = wanted.get(userId) ?? new Set(this.#users.get(userId)?.connections.keys());
      const before = ids.size;
      wanted.set(userId, ids.add(connectionId));
      if (ids.size > before && ids.size > max) throw tooManyConnections();
    }
  }

  #enter(userId: string): User {
    this.#lastOrder += 1;
    const user: User = { userId, connections: new Map(), leavesAtMs: undefined, order: this.#lastOrder };
    this.#users.set(userId, user);
    this.#seen.delete(userId);
    return user;
  }

  #remove(owner: string, connections: readonly UserConnection[], leavesAtMs: number | undefined): void {
    for (const { userId, connectionId } of connections) {
      const user = this.#users.get(userId);
      const known = user?.connections.get(connectionId);
      if (user === undefined || known?.owner !== owner) continue;
      user.connections.delete(connectionId);
      const { metadata } = known;
      if (user.connections.size === 0 && leavesAtMs === undefined) {
        this.#exit(user, { kind: "offline", userId, connectionId, metadata });
        continue;
      }
      if (user.connections.size === 0) user.leavesAtMs = leavesAtMs;
      this.#tell({ kind: "closed", userId, connectionId, metadata });
    }
  }

  #exit({ userId }: User, change: Change): void {
    this.#users.delete(userId);
    this.#seen.set(userId, this.#now());
    const [oldest] = this.#seen.keys();
    if (this.#seen.size > SEEN_MAX && oldest !== undefined) this.#seen.delete(oldest);
    this.#tell(change);
  }

  /** Announces a change on the feed of the user's partition, with its version and the one before. */
  #tell({ kind, userId, connectionId, metadata, replaced }: Change): void {
    const partition = partitionOf(userId, PARTITIONS);
    const previous = this.#feeds.get(partition) ?? 0;
    const version = this.#versions.next();
    this.#feeds.set(partition, version);
    const fields = { kind, user: userId, connection: connectionId, version, previous, at: this.#now() };
    this.#channels.announce(`presence:${partition}`, changeText(fields, metadata, replaced));
  }
}

function connectionsOf({ userId, connections }: User, counts: (owner: string) => boolean): UserConnection[] {
  return [...connections]
    .filter(([, { owner }]) => counts(owner))
    .map(([connectionId, { metadata }]) => ({ userId, connectionId, ...(metadata === undefined ? {} : { metadata }) }));
}
