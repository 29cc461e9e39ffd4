import { GameFeed, type GameFeedOptions } from "./game-feed.js";

/** How many games replace their watches at a time. */
const AT_ONCE = 100;

/** The games that this server listens to. */
export class GameFeeds {
  readonly #feeds = new Map<string, GameFeed>();
  readonly #make: (gameId: string) => Omit<GameFeedOptions, "gameId">;
  /** Feeds that are being closed. */
  readonly #closing = new Set<Promise<void>>();

  constructor(make: (gameId: string) => Omit<GameFeedOptions, "gameId">) {
    this.#make = make;
  }

  get(gameId: string): GameFeed | undefined {
    return this.#feeds.get(gameId);
  }

  /** The game's feed, opened where it is not. */
  open(gameId: string): GameFeed {
    let feed = this.#feeds.get(gameId);
    if (feed === undefined) {
      feed = new GameFeed({ gameId, ...this.#make(gameId) });
      this.#feeds.set(gameId, feed);
    }
    return feed;
  }

  /** Closes the game's feed where it has no handlers and no spectators any more. */
  release(gameId: string, feed: GameFeed): void {
    if (feed.isWanted || this.#feeds.get(gameId) !== feed) return;
    this.#feeds.delete(gameId);
    const closing = feed.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  /** Replaces the watches of all rosters, at most `AT_ONCE` at a time. Never fails. */
  async rewatch(): Promise<void> {
    const feeds = [...this.#feeds.values()];
    for (let from = 0; from < feeds.length; from += AT_ONCE) {
      await Promise.all(feeds.slice(from, from + AT_ONCE).map((feed) => feed.rewatch()));
    }
  }

  async close(): Promise<void> {
    const feeds = [...this.#feeds.values()];
    this.#feeds.clear();
    await Promise.all([...feeds.map((feed) => feed.close()), ...this.#closing]);
  }
}
