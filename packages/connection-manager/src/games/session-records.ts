import {
  type GameState,
  type Lease,
  type OnError,
  type SessionDirectory,
  type SessionRecord,
  toCmError,
} from "@cm/protocol";

/** Games whose last activity is remembered; beyond it the oldest is forgotten. */
const ACTIVITIES_MAX = 10_000;

/** A game's activity is told to the store at most so often. */
const ACTIVITY_INTERVAL_MS = 1_000;

/** Records that are read at a time. */
const AT_ONCE = 100;

/** What a {@link SessionRecords} needs. */
export interface SessionRecordsOptions {
  readonly sessions: SessionDirectory;
  /** Whether the game has players here, whose loss of data this server makes good. */
  readonly isPlayed: (gameId: string) => boolean;
  readonly onError: OnError;
}

/** What this server knows of the records of games, so that a store that lost them gets them again. */
export class SessionRecords {
  readonly #options: SessionRecordsOptions;
  readonly #known = new Map<string, SessionRecord>();
  /** When a game's activity was last told, by the monotonic clock. */
  readonly #activities = new Map<string, number>();

  constructor(options: SessionRecordsOptions) {
    this.#options = options;
  }

  /**
   * Reads the record of a game that is played here: once, or `anew` since it may have run
   * out and another one have been made. Nobody waits for it; it never fails.
   */
  async learn(gameId: string, anew: boolean): Promise<void> {
    if (!anew && this.#known.has(gameId)) return;
    const { sessions, isPlayed, onError } = this.#options;
    const before = this.#known.get(gameId);
    try {
      const record = await sessions.get(gameId);
      // What was told meanwhile is not older than what was read. A game without a record
      // has run out, or its data are lost: what is known of it is kept for the latter.
      if (record !== undefined && isPlayed(gameId) && this.#known.get(gameId) === before) {
        this.#known.set(gameId, record);
      }
    } catch (cause) {
      onError(toCmError(cause, "unavailable", "A game's record could not be read."), { stage: "projection" });
    }
  }

  /** Reads all records anew, some at a time: others may have made games that ran out here. Never fails. */
  async refresh(): Promise<void> {
    const games = [...this.#known.keys()];
    for (let from = 0; from < games.length; from += AT_ONCE) {
      await Promise.all(games.slice(from, from + AT_ONCE).map((gameId) => this.learn(gameId, true)));
    }
  }

  /** A game of which a record is known is in another state. */
  moved(gameId: string, state: GameState): void {
    const record = this.#known.get(gameId);
    if (record !== undefined) this.#known.set(gameId, { ...record, state, lastActivity: Date.now() });
  }

  forget(gameId: string): void {
    this.#known.delete(gameId);
  }

  /** Tells the store that something happens in the game, once a second. Never fails. */
  async active(gameId: string): Promise<void> {
    const { sessions, onError } = this.#options;
    const now = performance.now();
    const last = this.#activities.get(gameId);
    if (last !== undefined && now - last < ACTIVITY_INTERVAL_MS) return;
    this.#activities.delete(gameId);
    this.#activities.set(gameId, now);
    if (this.#activities.size > ACTIVITIES_MAX) {
      const [oldest] = this.#activities.keys();
      if (oldest !== undefined) this.#activities.delete(oldest);
    }
    try {
      await sessions.touch(gameId);
    } catch (cause) {
      this.#activities.delete(gameId);
      onError(toCmError(cause, "unavailable", "A game's activity could not be told."), { stage: "projection" });
    }
  }

  /** Writes what the store has lost. */
  async restore(lease: Lease): Promise<void> {
    if (this.#known.size > 0) await this.#options.sessions.restore(lease, [...this.#known.values()]);
  }
}
