import { GameFeed, type GameFeedOptions } from "./game-feed.js";

/** Maximum number of rosters that are read at a time. */
const AT_ONCE = 100;

/** The feeds of the games that this server receives events of. */
export class OpenGameFeeds {
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

  /** Returns the game's feed, and opens it if there is none. */
  open(gameId: string): GameFeed {
    let feed = this.#feeds.get(gameId);
    if (feed === undefined) {
      feed = new GameFeed({ gameId, ...this.#make(gameId) });
      this.#feeds.set(gameId, feed);
    }
    return feed;
  }

  /** Closes the game's feed if it has no handlers and no spectators any more. */
  release(gameId: string, feed: GameFeed): void {
    if (feed.isWanted || this.#feeds.get(gameId) !== feed) return;
    this.#feeds.delete(gameId);
    const closing = feed.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  /** Reads all rosters again, at most `AT_ONCE` at a time. Never rejects. */
  async refresh(): Promise<void> {
    const feeds = [...this.#feeds.values()];
    for (let from = 0; from < feeds.length; from += AT_ONCE) {
      await Promise.all(feeds.slice(from, from + AT_ONCE).map((feed) => feed.refresh()));
    }
  }

  async close(): Promise<void> {
    const feeds = [...this.#feeds.values()];
    this.#feeds.clear();
    await Promise.all([...feeds.map((feed) => feed.close()), ...this.#closing]);
  }
}
