import { type PresenceChange, parsePresenceChange, type UserState } from "@cm/protocol";
import { ChangeChain, type Reading } from "../changes/change-chain.js";
import type { Channels, OpenChannel } from "../changes/channels.js";
import type { ResolvedPresenceOptions } from "../options.js";
import type { Budget } from "../watches/budget.js";
import { SnapshotBatch } from "../watches/snapshot-batch.js";
import { OnlineUsers } from "./online-users.js";
import type { StateReader } from "./state-reader.js";
import { type WatchedUser, WatchedUsers } from "./watched-users.js";

/** The most users that the contract gives in one page. */
const PAGE_MAX = 1_000;

/** What a {@link UserFeed} needs. */
export interface UserFeedOptions {
  readonly options: ResolvedPresenceOptions;
  readonly partition: number;
  /** Any user of this partition, known or not: reading it returns the feed's version. */
  readonly sampleUser: string;
  readonly reader: StateReader;
  readonly channels: Channels;
  readonly kept: Budget;
}

/** One partition of users, as far as they are watched. */
export class UserFeed {
  readonly watched: WatchedUsers;
  readonly online: OnlineUsers;
  /** Watches that hold it. */
  holders = 0;
  readonly #parts: UserFeedOptions;
  readonly #chain: ChangeChain<PresenceChange>;
  readonly #channel: OpenChannel;
  #readings = 0;
  /** Whether a first reading was installed. */
  #isRead = false;
  /** Runs while servers may still be restoring data that the store lost. */
  #restoring: NodeJS.Timeout | undefined;
  /** Whether they have had the time: the next reading is believed. */
  #hasWaited = false;

  constructor(parts: UserFeedOptions) {
    const { options, partition, channels, kept } = parts;
    this.#parts = parts;
    this.watched = new WatchedUsers(kept, options.maxBufferedChanges, () => this.recheck());
    this.online = new OnlineUsers(kept);
    this.#chain = new ChangeChain({
      read: () => this.#read(),
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
          // Nothing came before it, though something did.
          if (change.previousVersion === 0 && 0 < this.#chain.version && this.#chain.version < change.version)
            this.#noteLoss();
          this.#chain.offer(change);
        },
        onResumed: () => this.recheck(),
      },
    );
  }

  get partition(): number {
    return this.#parts.partition;
  }

  /** Settles when the feed's channel is live. */
  get opened(): Promise<void> {
    return this.#channel.opened;
  }

  /** Reads users who have not been read, once the channel is live. */
  async readWatched(users: readonly WatchedUser[]): Promise<void> {
    if (!this.#isRead) return this.#chain.refresh();
    const unread = users.filter(({ presence }) => presence === undefined);
    if (unread.length === 0) return;
    const reading = ++this.#readings;
    const version = this.#chain.version;
    const states = await this.#parts.reader.read(unread.map(({ userId }) => userId));
    const tellings = new SnapshotBatch();
    // The store has lost its data, and knows less than what was heard of already.
    const isLost = states.some((state) => state.version < version);
    if (isLost) this.#noteLoss();
    this.watched.install(byUser(states), reading, tellings, this.#restoring !== undefined);
    tellings.send();
    if (isLost) this.recheck();
  }

  /** Reads all who are online, once the channel is live. */
  async readOnline(): Promise<void> {
    if (!this.online.isRead) await this.#chain.refresh();
  }

  /** Reads all watched users again; watchers are told the differences. */
  recheck(): void {
    if (this.#isRead) this.#chain.invalidate();
  }

  close(): Promise<void> {
    clearTimeout(this.#restoring);
    this.#chain.close();
    return this.#channel.close();
  }

  /** The store may have lost data, or servers their leases: for a while it is believed what it knows, and not what it lacks. */
  #noteLoss(): void {
    clearTimeout(this.#restoring);
    this.#restoring = setTimeout(() => {
      this.#restoring = undefined;
      this.#hasWaited = true;
      this.recheck();
    }, this.#parts.options.restoreWithinMs);
    this.#restoring.unref();
  }

  async #read(): Promise<Reading<PresenceChange>> {
    const { reader, sampleUser } = this.#parts;
    const reading = ++this.#readings;
    const known = this.#chain.version;
    const withOnline = this.online.isWanted;
    const states = await reader.read([sampleUser, ...this.watched.userIds]);
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
      // Each state has a version of its own, by which changes that are in it are known.
      upTo: version,
      fold: () => undefined,
      install: () => {
        const lacks = this.watched.lacks(found) || (withOnline && this.online.lacks(found));
        if (version < known || (lacks && !this.#hasWaited && this.#restoring === undefined)) this.#noteLoss();
        this.#hasWaited = false;
        this.#isRead = true;
        const tellings = new SnapshotBatch();
        const keepsMissing = this.#restoring !== undefined;
        this.watched.install(found, reading, tellings, keepsMissing);
        if (withOnline) this.online.install(found, tellings, keepsMissing);
        tellings.send();
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
