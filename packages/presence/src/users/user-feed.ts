import { type PresenceChange, parsePresenceChange, type UserState } from "@cm/protocol";
import { ChangeChain, type StateReading } from "../changes/change-chain.js";
import type { ChangeChannels, OpenChannel } from "../changes/change-channels.js";
import { MissingConnections } from "../changes/missing-connections.js";
import type { CompleteReads } from "../complete-reads.js";
import type { ResolvedPresenceOptions } from "../options.js";
import { SnapshotBatch } from "../watches/snapshot-batch.js";
import type { WatchBudget } from "../watches/watch-budget.js";
import { OnlineUserCache } from "./online-user-cache.js";
import type { UserStateReader } from "./user-state-reader.js";
import { type WatchedUser, WatchedUserCache } from "./watched-user-cache.js";

/** The maximum page size of the `UserDirectory` contract. */
const PAGE_MAX = 1_000;

/** Options of {@link UserFeed}. */
export interface UserFeedOptions {
  readonly options: ResolvedPresenceOptions;
  readonly partition: number;
  /**
   * A user id of this partition. The user need not exist: reading the user's state returns the feed's
   * version.
   */
  readonly sampleUser: string;
  readonly reader: UserStateReader;
  readonly channels: ChangeChannels;
  readonly budget: WatchBudget;
  readonly complete: CompleteReads;
}

/** One partition of users, with those of its users who are watched. */
export class UserFeed {
  readonly watched: WatchedUserCache;
  readonly online: OnlineUserCache;
  /** Number of holds on this feed: one for each user that a watch names, and one for each watch of all users. */
  holders = 0;
  readonly #parts: UserFeedOptions;
  readonly #chain: ChangeChain<PresenceChange>;
  readonly #channel: OpenChannel;
  #readings = 0;
  /** Whether a first read was installed. */
  #isRead = false;
  readonly #missing: MissingConnections;

  constructor(parts: UserFeedOptions) {
    const { options, partition, channels, budget, complete } = parts;
    this.#parts = parts;
    this.watched = new WatchedUserCache(budget, options.maxBufferedChanges, () => this.recheck());
    this.online = new OnlineUserCache(budget);
    this.#missing = new MissingConnections({ restoreWithinMs: options.restoreWithinMs, reread: () => this.recheck() });
    this.#chain = new ChangeChain({
      // The first read must be complete; later ones notice missing users and await them.
      read: () => (this.#hasUnread ? complete.run(() => this.#read()) : this.#read()),
      apply: (change) => {
        this.watched.apply(change);
        this.online.apply(change);
      },
      maxBuffered: options.maxBufferedChanges,
      onError: (error) => options.onError(error, { stage: "subscription" }),
    });
    this.#channel = channels.open(
      { kind: "presence", name: String(partition) },
      {
        parse: parsePresenceChange,
        onChange: (change) => {
          // The store has lost its data: the change names no previous change, but earlier changes were
          // received.
          if (change.previousVersion === 0 && 0 < this.#chain.version && this.#chain.version < change.version)
            this.#missing.noteLoss();
          this.#chain.offer(change);
        },
        onResumed: () => this.recheck(),
      },
    );
  }

  get partition(): number {
    return this.#parts.partition;
  }

  /** Whether the next read is the first one, of the watched users or of those who are online. */
  get #hasUnread(): boolean {
    return !this.#isRead || (this.online.isWanted && !this.online.isRead);
  }

  /** Settles when the feed's channel is live, or could not be opened. */
  get opened(): Promise<void> {
    return this.#channel.opened;
  }

  /** Reads users who have not been read yet. The channel must be live. */
  async readWatched(users: readonly WatchedUser[]): Promise<void> {
    // The feed's first read includes these users, unless it had begun before they were held.
    if (!this.#isRead) await this.#chain.refresh();
    const unread = users.filter(({ presence }) => presence === undefined);
    if (unread.length === 0) return;
    let reading = 0;
    let version = 0;
    const { reader, complete } = this.#parts;
    const states = await complete.run(() => {
      reading = ++this.#readings;
      version = this.#chain.version;
      return reader.read(unread.map(({ userId }) => userId));
    });
    const batch = new SnapshotBatch();
    // The store has lost its data: it returned a lower version of the feed than that of a change that has
    // arrived.
    const isLost = states.some((state) => state.version < version);
    if (isLost) this.#missing.noteLoss();
    // Users who are read for the first time have no connections that could be missing.
    this.watched.install(byUser(states), reading, batch, () => false);
    batch.send();
    // Read again as well if another read began meanwhile: it may have been caused by a change that is missing here too.
    if (isLost || reading !== this.#readings) this.recheck();
  }

  /** Reads all users who are online. The channel must be live. */
  async readOnline(): Promise<void> {
    if (!this.online.isRead) await this.#chain.refresh();
  }

  /** Reads all watched users again, and notifies watchers of the differences. */
  recheck(): void {
    this.refresh().catch(() => undefined); // The chain reports the failure and tries again.
  }

  /** Like {@link recheck}, but rejects with the error of the read, which is then tried again nevertheless. */
  refresh(): Promise<void> {
    return this.#isRead ? this.#chain.refresh() : Promise.resolve();
  }

  close(): Promise<void> {
    this.#missing.close();
    this.#chain.close();
    return this.#channel.close();
  }

  async #read(): Promise<StateReading<PresenceChange>> {
    const { reader, sampleUser } = this.#parts;
    const reading = ++this.#readings;
    const beganAt = performance.now();
    const known = this.#chain.version;
    const withOnline = this.online.isWanted;
    // Users of whom a first read is in progress are left out: that read waits until the store is complete.
    const userIds = this.#isRead ? this.watched.readUserIds : this.watched.userIds;
    const states = await reader.read([sampleUser, ...userIds]);
    const [sample] = states;
    const found = byUser(states.slice(1));
    if (withOnline) {
      for await (const state of this.#onlinePages()) found.set(state.userId, state);
      for (const state of await reader.read(this.online.userIds.filter((userId) => !found.has(userId)))) {
        found.set(state.userId, state);
      }
    }
    const version = states.reduce((least, state) => Math.min(least, state.version), sample?.version ?? 0);
    return {
      version,
      // Nothing needs to be folded in: each state has its own version, which shows whether it contains
      // a change.
      upTo: version,
      fold: () => undefined,
      install: () => {
        const lacks = this.watched.lacks(found) || (withOnline && this.online.lacks(found));
        if (version < known) this.#missing.noteLoss();
        this.#isRead = true;
        const batch = new SnapshotBatch();
        // If nothing indicates a loss, a missing connection counts as closed if its user has other
        // connections.
        const isDoubted = lacks || this.#missing.isLost(beganAt);
        this.#missing.judge(beganAt, (isAwaited) => {
          const isKept = (connectionId: string): boolean => isDoubted && isAwaited(connectionId);
          this.watched.install(found, reading, batch, isKept);
          if (withOnline) this.online.install(found, batch, isKept);
        });
        batch.send();
      },
    };
  }

  async *#onlinePages(): AsyncGenerator<UserState> {
    const { options, partition } = this.#parts;
    let cursor: string | undefined;
    do {
      const page = await options.store.users.online({ limit: PAGE_MAX, cursor }, partition);
      yield* page.items;
      cursor = page.cursor;
    } while (cursor !== undefined);
  }
}

function byUser(states: readonly UserState[]): Map<string, UserState> {
  return new Map(states.map((state) => [state.userId, state]));
}
