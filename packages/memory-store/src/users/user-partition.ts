import type { UserConnection, UserState } from "@cm/protocol";
import { type Ordered, OrderedList } from "../ordered-list.js";
import type { Incarnation } from "../servers/server-table.js";
import type { LastSeen, LastSeenLimits } from "./last-seen.js";
import type { PresenceFeed } from "./presence-feed.js";

interface OwnedConnection {
  readonly owner: Incarnation;
  readonly metadata: string | undefined;
}

/** An online user. Users are ordered by when they came online. */
interface User extends Ordered {
  readonly userId: string;
  readonly connections: Map<string, OwnedConnection>;
  /** When the grace period ends; set while the user has no connection. */
  leavesAtMs: number | undefined;
}

/** The online users of one partition, and the feed of their presence changes. */
export class UserPartition {
  readonly #users = new Map<string, User>();
  readonly #order = new OrderedList<User>();
  readonly #leaving = new Set<User>();
  readonly #feed: PresenceFeed;
  readonly #seen: LastSeen;

  constructor(feed: PresenceFeed, seen: LastSeen) {
    this.#feed = feed;
    this.#seen = seen;
  }

  /** Number of online users, including those in their grace period. */
  get size(): number {
    return this.#users.size;
  }

  /** Number of connections of all users of the partition. */
  get connections(): number {
    let total = 0;
    for (const { connections } of this.#users.values()) total += connections.size;
    return total;
  }

  /** Whether the user has the connection. */
  has(userId: string, connectionId: string): boolean {
    return this.#users.get(userId)?.connections.has(connectionId) ?? false;
  }

  /** Number of connections of a user. */
  countOf(userId: string): number {
    return this.#users.get(userId)?.connections.size ?? 0;
  }

  /** Adds a connection, or replaces the metadata of an existing one. */
  add({ userId, connectionId, metadata }: UserConnection, owner: Incarnation, order: number, quiet: boolean): void {
    const user = this.#users.get(userId);
    const known = user?.connections.get(connectionId);
    const { connections } = user ?? this.#enter(userId, order);
    connections.set(connectionId, { owner, metadata });
    if (user !== undefined) this.#stay(user);
    if (quiet || (known !== undefined && known.metadata === metadata)) return;
    if (known === undefined) {
      this.#feed.announce({ kind: user === undefined ? "online" : "opened", userId, connectionId, metadata });
    } else {
      this.#feed.announce({ kind: "updated", userId, connectionId, metadata, replaced: known.metadata });
    }
  }

  /** Replaces the metadata of a connection that has this owner. */
  update({ userId, connectionId, metadata }: UserConnection, owner: Incarnation, quiet: boolean): void {
    const connections = this.#users.get(userId)?.connections;
    const known = connections?.get(connectionId);
    if (known?.owner !== owner || known.metadata === metadata) return;
    connections?.set(connectionId, { owner, metadata });
    if (quiet) return;
    this.#feed.announce({ kind: "updated", userId, connectionId, metadata, replaced: known.metadata });
  }

  /**
   * Removes a connection. `leavesAtMs` is the time at which the grace period ends; `undefined` if there is
   * none.
   */
  remove(
    { userId, connectionId }: UserConnection,
    owns: (owner: Incarnation) => boolean,
    leavesAtMs: number | undefined,
    limits: LastSeenLimits,
  ): void {
    const user = this.#users.get(userId);
    const known = user?.connections.get(connectionId);
    if (user === undefined || known === undefined || !owns(known.owner)) return;
    user.connections.delete(connectionId);
    const { metadata } = known;
    if (user.connections.size === 0 && leavesAtMs === undefined) {
      this.#exit(user, limits);
      this.#feed.announce({ kind: "offline", userId, connectionId, metadata });
      return;
    }
    if (user.connections.size === 0) {
      user.leavesAtMs = leavesAtMs;
      this.#leaving.add(user);
    }
    this.#feed.announce({ kind: "closed", userId, connectionId, metadata });
  }

  /** Takes users offline whose grace period has ended. Returns when the next one ends; `undefined` if none runs. */
  endGracePeriods(nowMs: number, limits: LastSeenLimits): number | undefined {
    let next: number | undefined;
    for (const user of this.#leaving) {
      const { userId, leavesAtMs = 0 } = user;
      if (leavesAtMs > nowMs) {
        next = Math.min(next ?? leavesAtMs, leavesAtMs);
        continue;
      }
      this.#exit(user, limits);
      this.#feed.announce({ kind: "offline", userId });
    }
    return next;
  }

  state(userId: string, lives: (owner: Incarnation) => boolean): UserState {
    const user = this.#users.get(userId);
    return {
      userId,
      connections: user === undefined ? [] : connectionsOf(user, lives),
      isLeaving: user?.leavesAtMs !== undefined,
      lastSeen: user === undefined ? this.#seen.get(userId) : undefined,
      version: this.#feed.version,
    };
  }

  /** A page of online users whose order is greater than `after` and at most `until`; see `OrderedList.page`. */
  page(
    after: number,
    until: number,
    limit: number,
    lives: (owner: Incarnation) => boolean,
  ): { readonly items: UserState[]; readonly next: number | undefined } {
    const isOnline = ({ connections, leavesAtMs }: User) =>
      leavesAtMs !== undefined || [...connections.values()].some(({ owner }) => lives(owner));
    const { items, next } = this.#order.page(after, until, limit, isOnline);
    return { items: items.map(({ userId }) => this.state(userId, lives)), next };
  }

  /** The connections whose owner satisfies `owns`. */
  held(owns: (owner: Incarnation) => boolean): UserConnection[] {
    return [...this.#users.values()].flatMap((user) => connectionsOf(user, owns));
  }

  /** The owners of connections, possibly with duplicates. */
  owners(): Incarnation[] {
    return [...this.#users.values()].flatMap(({ connections }) => [...connections.values()].map(({ owner }) => owner));
  }

  #enter(userId: string, order: number): User {
    const user: User = { userId, connections: new Map(), leavesAtMs: undefined, order, gone: false };
    this.#users.set(userId, user);
    this.#order.add(user);
    this.#seen.forget(userId);
    return user;
  }

  #stay(user: User): void {
    user.leavesAtMs = undefined;
    this.#leaving.delete(user);
  }

  #exit(user: User, limits: LastSeenLimits): void {
    this.#users.delete(user.userId);
    this.#order.remove(user);
    this.#leaving.delete(user);
    this.#seen.note(user.userId, limits);
  }
}

function connectionsOf({ userId, connections }: User, counts: (owner: Incarnation) => boolean): UserConnection[] {
  const counted: UserConnection[] = [];
  for (const [connectionId, { owner, metadata }] of connections) {
    if (counts(owner))
      counted.push(metadata === undefined ? { userId, connectionId } : { userId, connectionId, metadata });
  }
  return counted;
}
