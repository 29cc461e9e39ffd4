import { CmError, type Page, type PageRequest, requireName } from "@cm/protocol";
import { notStarted, requireDurationMs, requireFields, requireFunction, requirePage } from "@cm/protocol/options";
import { ChangeChannels } from "./changes/change-channels.js";
import { type CompleteReadOptions, CompleteReads } from "./complete-reads.js";
import { type PresenceOptions, type ResolvedPresenceOptions, resolvePresenceOptions } from "./options.js";
import { presenceClosed } from "./presence-closed.js";
import { RoomFeed } from "./rosters/room-feed.js";
import type { RosterMember } from "./rosters/roster-members.js";
import { RosterReader } from "./rosters/roster-reader.js";
import { OpenUserFeeds, presencesOf } from "./users/open-user-feeds.js";
import { presenceOf, type UserPresence } from "./users/user-presence.js";
import { UserStateReader } from "./users/user-state-reader.js";
import { LiveWatch, type PresenceWatcher, type RoomWatcher, type Watch } from "./watches/live-watch.js";
import { PeriodicRefresh } from "./watches/periodic-refresh.js";
import { WatchBudget } from "./watches/watch-budget.js";

/** Current numbers of a presence. */
export interface PresenceStats {
  /** Number of open watches. */
  readonly watches: number;
  /** Number of subscribed channels: feeds of users and rosters of rooms. */
  readonly channels: number;
  /** Number of users and members whose state is kept. */
  readonly kept: number;
}

/**
 * Reads or watches who is online and who is in which room, across all servers.
 *
 * Each read method documents its cost. Reads reject with `unavailable` or `timeout`; with `options-invalid`
 * for an invalid cursor or limit, with `name-invalid` or `name-too-long` for an invalid name, and with
 * `closed` before the store is started (`details.call` names the call). Connections of dead servers are left
 * out. With the option `isComplete`, lists, counts and the beginning of a watch are never incomplete: while the store
 * lacks entries that servers are writing again, they wait for at most 6 s and then reject with `unavailable`.
 *
 * A watch delivers a snapshot first and then each change once, in order, without a gap; the promise of the
 * call that opens the watch resolves after the snapshot. If changes were missed (because of an interruption
 * or lost data), the state is read again and the differences are delivered as another snapshot: a watcher may
 * miss intermediate states, but never the final state. Users and members that are missing from the store,
 * without an announcement that they left, count as present for `restoreWithinMs`, because their servers may
 * be about to write them again. Watches of the same users or room share one subscription. A watch that cannot
 * begin leaves nothing behind; the call rejects with `unavailable`, `timeout`, `capacity-reached`, `closed`,
 * or the errors of reads.
 */
export interface Presence {
  /** Reads the presence of a user. One round trip. */
  get(userId: string): Promise<UserPresence>;
  /**
   * Reads the presence of at most 1,000 users (otherwise rejects with `options-invalid`), in the order
   * of `userIds`. One round trip.
   */
  getMany(userIds: readonly string[]): Promise<UserPresence[]>;
  /**
   * Lists users who are online, in pages of 1 to 1,000. A user who stays online while all pages are
   * read is returned exactly once; a page may be shorter than its limit.
   */
  online(page: PageRequest): Promise<Page<UserPresence>>;
  /**
   * Counts users who are online, in O(partitions). Users of a dead server count until the server is cleaned
   * up.
   */
  countOnline(): Promise<number>;
  /**
   * Lists the members of a room in pages of 1 to 1,000; two round trips per page, and with `isComplete` a third.
   */
  roster(room: string, page: PageRequest): Promise<Page<RosterMember>>;
  /** Counts the members of a room, without reading the roster. */
  countMembers(room: string): Promise<number>;
  /**
   * Resolves with the result of `read`, which reads the store. While the store lacks entries that servers are writing
   * again, `read` is repeated; see the option `isComplete`. Rejects with the errors of `read`, and with `unavailable`
   * if the store was not complete in time.
   */
  readComplete<T>(read: () => Promise<T>, options?: CompleteReadOptions): Promise<T>;
  /** Watches the presence of one user. */
  watchUser(userId: string, watcher: PresenceWatcher): Promise<Watch>;
  /** Watches the presence of several users; at most `maxUsersPerWatch`. Duplicates are ignored. */
  watchUsers(userIds: readonly string[], watcher: PresenceWatcher): Promise<Watch>;
  /**
   * Watches the presence of all users. Costs one subscription per partition, and keeps the state of all
   * users who are online.
   */
  watchAll(watcher: PresenceWatcher): Promise<Watch>;
  /** Watches the members of a room, which need not exist; keeps the state of all members. */
  watchRoom(room: string, watcher: RoomWatcher): Promise<Watch>;
  /** Returns the current numbers of watches, channels and kept states. */
  stats(): PresenceStats;
  /** Closes all watches. Idempotent. Reads and watches reject with `closed` from then on. */
  close(): Promise<void>;
  /** The same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Creates a presence over a store. Throws `options-invalid`. Nothing is read or subscribed until a
 * method is called.
 */
export function createPresence(options: PresenceOptions): Presence {
  return new StorePresence(resolvePresenceOptions(options));
}

class StorePresence implements Presence {
  readonly #options: ResolvedPresenceOptions;
  readonly #channels: ChangeChannels;
  readonly #budget: WatchBudget;
  readonly #complete: CompleteReads;
  readonly #states: UserStateReader;
  readonly #rosters: RosterReader;
  readonly #users: OpenUserFeeds;
  readonly #rooms = new Map<string, RoomFeed>();
  readonly #watches = new Set<Watch>();
  readonly #rechecks: PeriodicRefresh;
  #closing: Promise<void> | undefined;

  constructor(options: ResolvedPresenceOptions) {
    const { store, onError, maxCachedStates, recheckIntervalMs } = options;
    this.#options = options;
    this.#channels = new ChangeChannels(store.bus, onError);
    this.#budget = new WatchBudget(maxCachedStates);
    this.#complete = new CompleteReads(options.isComplete);
    this.#states = new UserStateReader(store.users);
    this.#rosters = new RosterReader(store.rooms, this.#states);
    this.#users = new OpenUserFeeds({
      options,
      reader: this.#states,
      channels: this.#channels,
      budget: this.#budget,
      complete: this.#complete,
    });
    this.#rechecks = new PeriodicRefresh(recheckIntervalMs, () => [...this.#users.all, ...this.#rooms.values()]);
  }

  async get(userId: string): Promise<UserPresence> {
    const [presence] = await this.#read("get", [userId]);
    if (presence === undefined) throw new CmError("internal", "The store did not answer the request for the user.");
    return presence;
  }

  getMany(userIds: readonly string[]): Promise<UserPresence[]> {
    return this.#read("getMany", userIds);
  }

  async #read(call: string, userIds: readonly string[]): Promise<UserPresence[]> {
    this.#requireOpen(call);
    for (const userId of requireList(userIds)) requireName(userId, "user");
    return (await this.#options.store.users.states(userIds)).map(presenceOf);
  }

  async online(page: PageRequest): Promise<Page<UserPresence>> {
    this.#requireOpen("online");
    const request = requirePage(page);
    const { items, cursor } = await this.#complete.run(() => this.#options.store.users.online(request));
    return { items: items.map(presenceOf), cursor };
  }

  async countOnline(): Promise<number> {
    this.#requireOpen("countOnline");
    return this.#complete.run(() => this.#options.store.counts.of("users"));
  }

  async roster(room: string, page: PageRequest): Promise<Page<RosterMember>> {
    this.#requireOpen("roster");
    requireName(room, "room");
    const request = requirePage(page);
    return this.#complete.run(() => this.#rosters.page(room, request));
  }

  async countMembers(room: string): Promise<number> {
    this.#requireOpen("countMembers");
    requireName(room, "room");
    return this.#complete.run(() => this.#options.store.rooms.count(room));
  }

  async readComplete<T>(read: () => Promise<T>, options: CompleteReadOptions = {}): Promise<T> {
    this.#requireOpen("readComplete");
    const { waitMs } = requireFields("options", options, { waitMs: true }, "{ waitMs: 0 }");
    if (waitMs !== undefined) requireDurationMs("waitMs", waitMs, 0);
    return this.#complete.run(requireFunction("read", read), { waitMs });
  }

  watchUser(userId: string, watcher: PresenceWatcher): Promise<Watch> {
    return this.#watchUsers("watchUser", [userId], watcher);
  }

  watchUsers(userIds: readonly string[], watcher: PresenceWatcher): Promise<Watch> {
    return this.#watchUsers("watchUsers", userIds, watcher);
  }

  async #watchUsers(call: string, userIds: readonly string[], watcher: PresenceWatcher): Promise<Watch> {
    const names = [...new Set(requireList(userIds))].map((userId) => requireName(userId, "user"));
    const { maxUsersPerWatch } = this.#options;
    if (names.length === 0 || names.length > maxUsersPerWatch) {
      throw new CmError("options-invalid", `A watch must have 1 to ${maxUsersPerWatch} users.`, {
        details: { field: "userIds", max: maxUsersPerWatch },
      });
    }
    this.#requireCapacity(call, watcher);
    const held = this.#users.holdUsers(names);
    const watch = this.#open(
      watcher,
      (closed) => {
        for (const user of held.users) user.watches.delete(closed);
        return held.release();
      },
      () => held.refresh(),
    );
    return this.#begin(watch, async () => {
      await held.read();
      if (watch.isClosed) return;
      for (const user of held.users) user.watches.add(watch);
      watch.tell((each) => each.snapshot(presencesOf(held.users)));
    });
  }

  async watchAll(watcher: PresenceWatcher): Promise<Watch> {
    this.#requireCapacity("watchAll", watcher);
    const watch = this.#open(
      watcher,
      () => held.release(),
      () => held.refresh(),
    );
    const held = this.#users.holdAll(watch);
    return this.#begin(watch, () => held.begin());
  }

  async watchRoom(room: string, watcher: RoomWatcher): Promise<Watch> {
    requireName(room, "room");
    this.#requireCapacity("watchRoom", watcher);
    const feed = this.#rooms.get(room) ?? this.#openRoom(room);
    const watch = this.#open(
      watcher,
      async (closed) => {
        feed.release(closed);
        if (feed.isHeld) return;
        this.#rooms.delete(room);
        await feed.close();
      },
      () => feed.refresh(),
    );
    feed.hold(watch);
    return this.#begin(watch, () => feed.begin(watch));
  }

  stats(): PresenceStats {
    return {
      watches: this.#watches.size,
      channels: [...this.#users.all].length + this.#rooms.size,
      kept: this.#budget.count,
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#rechecks.stop();
    this.#complete.close();
    await Promise.all([...this.#watches].map((watch) => watch.close()));
  }

  #openRoom(room: string): RoomFeed {
    const feed = new RoomFeed({
      options: this.#options,
      room,
      reader: this.#rosters,
      channels: this.#channels,
      budget: this.#budget,
      complete: this.#complete,
    });
    this.#rooms.set(room, feed);
    return feed;
  }

  #open<W extends Watcher>(
    watcher: W,
    release: (watch: LiveWatch<W>) => Promise<void>,
    refresh: () => Promise<void>,
  ): LiveWatch<W> {
    const onClosed = (closed: LiveWatch<W>): Promise<void> => {
      this.#watches.delete(closed);
      return release(closed);
    };
    const watch = new LiveWatch(watcher, this.#options.onError, onClosed, refresh);
    this.#watches.add(watch);
    this.#rechecks.start();
    return watch;
  }

  /** Returns a watch once it has begun. If it can't begin, it is closed. */
  async #begin<W extends Watcher>(watch: LiveWatch<W>, begin: () => Promise<void>): Promise<Watch> {
    try {
      await begin();
      watch.begun();
    } catch (error) {
      await watch.close();
      throw this.#closing === undefined ? error : presenceClosed();
    }
    if (this.#closing !== undefined) throw presenceClosed();
    return watch;
  }

  #requireOpen(call: string): void {
    if (this.#closing !== undefined) throw presenceClosed();
    if (this.#options.store.link?.state === "connecting") throw notStarted(`presence.${call}`);
  }

  #requireCapacity(call: string, watcher: unknown): void {
    this.#requireOpen(call);
    requireWatcher(watcher);
    const { maxWatches } = this.#options;
    if (this.#watches.size < maxWatches) return;
    throw new CmError("capacity-reached", `At most ${maxWatches} watches can be open.`, {
      details: { max: maxWatches },
    });
  }
}

interface Watcher {
  ended?(error: CmError): void;
}

function requireList(userIds: unknown): readonly string[] {
  // Only check for an array: each element is checked where it is used as a name.
  if (Array.isArray(userIds)) return userIds as readonly string[];
  throw new CmError("options-invalid", "userIds must be a list.", { details: { field: "userIds" } });
}

function requireWatcher(watcher: unknown): void {
  const isWatcher =
    typeof watcher === "object" &&
    watcher !== null &&
    "snapshot" in watcher &&
    typeof watcher.snapshot === "function" &&
    "change" in watcher &&
    typeof watcher.change === "function";
  if (!isWatcher) {
    throw new CmError("options-invalid", "A watcher must have the functions snapshot and change.", {
      details: { field: "watcher" },
    });
  }
}
