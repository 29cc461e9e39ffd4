import { partitionOf } from "@cm/protocol";
import { awaitAll } from "@cm/protocol/turns";
import type { UsersWatch } from "../watches/snapshot-batch.js";
import { UserFeed, type UserFeedOptions } from "./user-feed.js";
import type { UserPresence } from "./user-presence.js";
import type { WatchedUser } from "./watched-user-cache.js";

/** The feeds of watched users. Each feed is open while a watch needs it. */
export class OpenUserFeeds {
  readonly #shared: Omit<UserFeedOptions, "partition" | "sampleUser">;
  readonly #feeds = new Map<number, UserFeed>();
  #samples: ReadonlyMap<number, string> | undefined;

  constructor(shared: Omit<UserFeedOptions, "partition" | "sampleUser">) {
    this.#shared = shared;
  }

  get all(): MapIterator<UserFeed> {
    return this.#feeds.values();
  }

  /** Keeps users' states for a watch. Throws `capacity-reached`, and then keeps none. */
  holdUsers(userIds: readonly string[]): HeldUsers {
    const held: { readonly feed: UserFeed; readonly user: WatchedUser }[] = [];
    const release = (): Promise<void> => {
      for (const { feed, user } of held) feed.watched.release(user);
      return this.#release(held.map(({ feed }) => feed));
    };
    try {
      for (const userId of userIds) {
        const feed = this.#hold(partitionOf(userId, this.#shared.options.store.partitions));
        try {
          held.push({ feed, user: feed.watched.hold(userId) });
        } catch (error) {
          void this.#release([feed]);
          throw error;
        }
      }
    } catch (error) {
      void release();
      throw error;
    }
    const byFeed = new Map<UserFeed, WatchedUser[]>();
    for (const { feed, user } of held) {
      const users = byFeed.get(feed);
      if (users === undefined) byFeed.set(feed, [user]);
      else users.push(user);
    }
    return {
      users: held.map(({ user }) => user),
      read: async () => {
        await awaitAll([...byFeed.keys()].map(({ opened }) => opened));
        await awaitAll([...byFeed].map(([feed, users]) => feed.readWatched(users)));
      },
      refresh: async () => {
        await awaitAll([...byFeed.keys()].map((feed) => feed.refresh()));
      },
      release,
    };
  }

  /** Holds all feeds for a watch. */
  holdAll(watch: UsersWatch): HeldFeeds {
    const feeds = Array.from({ length: this.#shared.options.store.partitions }, (_, partition) =>
      this.#hold(partition),
    );
    for (const { online } of feeds) online.hold(watch);
    return {
      begin: async () => {
        await awaitAll(feeds.map(({ opened }) => opened));
        await awaitAll(
          feeds.map(async (feed) => {
            await feed.readOnline();
            feed.online.begin(watch);
          }),
        );
      },
      refresh: async () => {
        await awaitAll(feeds.map((feed) => feed.refresh()));
      },
      release: () => {
        for (const { online } of feeds) online.release(watch);
        return this.#release(feeds);
      },
    };
  }

  #hold(partition: number): UserFeed {
    let feed = this.#feeds.get(partition);
    if (feed === undefined) {
      this.#samples ??= samplesOf(this.#shared.options.store.partitions);
      feed = new UserFeed({
        ...this.#shared,
        partition,
        sampleUser: this.#samples.get(partition) ?? "",
      });
      this.#feeds.set(partition, feed);
    }
    feed.holders++;
    return feed;
  }

  async #release(feeds: readonly UserFeed[]): Promise<void> {
    const closing: Promise<void>[] = [];
    for (const feed of feeds) {
      feed.holders--;
      if (feed.holders > 0) continue;
      this.#feeds.delete(feed.partition);
      closing.push(feed.close());
    }
    await Promise.all(closing);
  }
}

/** The users that a watch holds. */
export interface HeldUsers {
  readonly users: readonly WatchedUser[];
  /** Reads those users of the watch that were not read yet. Resolves once the presence of all of them is known. */
  read(): Promise<void>;
  /** Reads all held users again. */
  refresh(): Promise<void>;
  release(): Promise<void>;
}

/** All feeds, as held by a watch of all users. */
export interface HeldFeeds {
  /** Resolves when the watch has received the users who are online and receives changes. */
  begin(): Promise<void>;
  /** Reads all feeds again. */
  refresh(): Promise<void>;
  release(): Promise<void>;
}

/** Returns the presences of those users that have been read. */
export function presencesOf(users: readonly WatchedUser[]): UserPresence[] {
  return users.flatMap(({ presence }) => presence ?? []);
}

/** Returns a user id for each partition; the users need not exist. */
function samplesOf(partitions: number): ReadonlyMap<number, string> {
  const samples = new Map<number, string>();
  for (let n = 0; samples.size < partitions; n++) {
    const userId = `sample-${n}`;
    const partition = partitionOf(userId, partitions);
    if (!samples.has(partition)) samples.set(partition, userId);
  }
  return samples;
}
