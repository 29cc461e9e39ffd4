import {
  CmError,
  GAME_TRANSITIONS,
  type GameState,
  type Lease,
  type OnError,
  type RoomRecord,
  type RoomRecords,
  toCmError,
} from "@cm/protocol";
import { decodeGameRecord, encodeGameRecord, type GameRecord } from "./game-record-codec.js";

/** Maximum number of games whose last activity is remembered; beyond it, the oldest one is forgotten. */
const ACTIVITIES_MAX = 10_000;

/** Minimum time between two writes of a game's activity to the store, in milliseconds. */
const ACTIVITY_INTERVAL_MS = 1_000;

/** Maximum number of records that are read at a time. */
const AT_ONCE = 100;

/** Maximum number of attempts to change a state while concurrent changes succeed. */
const ATTEMPTS_MAX = 16;

/** The last known state of a game's record. */
interface Known {
  readonly session: GameRecord;
  /**
   * Version of the stored record; `undefined` if the state came from another server's event and the record
   * has not been read.
   */
  readonly version: number | undefined;
}

/** Options of {@link GameSessionStore}. */
export interface GameSessionStoreOptions {
  readonly roomRecords: RoomRecords;
  /** Whether the game has players on this server. This server restores the records of such games. */
  readonly isPlayed: (gameId: string) => boolean;
  readonly onError: OnError;
}

/**
 * Games as values of their rooms' records. The records of games that are played on this server are
 * remembered, to restore them if the store loses them, and to change a state without reading the record
 * first.
 */
export class GameSessionStore {
  readonly #options: GameSessionStoreOptions;
  readonly #known = new Map<string, Known>();
  /** By game id: when this server last wrote the game's activity to the store, by `performance.now()`. */
  readonly #activities = new Map<string, number>();

  constructor(options: GameSessionStoreOptions) {
    this.#options = options;
  }

  /** Reads the game from the store. */
  async get(gameId: string): Promise<GameRecord | undefined> {
    return decodeGameRecord(await this.#options.roomRecords.get(gameId));
  }

  /**
   * Changes a game's state. Takes one round trip if this server knows the game's record, otherwise two, and
   * one more for each change that others make during the call. If two calls compete, one of them is applied
   * first. Rejects with `not-found`, with `transition-invalid` (its `details` contain both states) if the new
   * state can't follow the state in the store, or with `unavailable` if other changes came first in every
   * attempt.
   */
  async move(gameId: string, to: GameState): Promise<void> {
    const { roomRecords } = this.#options;
    const before = this.#known.get(gameId);
    let known = before;
    // The known state may be outdated: read the record before rejecting the transition.
    if (known !== undefined && !leadsTo(known, to)) known = undefined;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const { session, version } =
        known?.version === undefined ? requireGame(gameId, await roomRecords.get(gameId)) : known;
      if (!leadsTo({ session, version }, to)) throw transitionInvalid(session.state, to);
      const value = encodeGameRecord({ ...session, state: to });
      const { isSet, record } = await roomRecords.compareAndSet(gameId, version ?? 0, value);
      known = requireGame(gameId, record);
      if (!isSet) continue;
      const now = this.#known.get(gameId);
      // A state that was reported during the call may be newer than this change.
      const isLatest = now === before || (now?.version ?? Number.POSITIVE_INFINITY) < record.version;
      if (now !== undefined && isLatest) this.#known.set(gameId, known);
      return;
    }
    throw new CmError("unavailable", `The game ${gameId} was changed concurrently too often.`);
  }

  /**
   * Reads the record of a game that is played on this server: once, or again if `again` is set, because
   * the record may have expired and another one may have been created. Runs in the background; never
   * rejects.
   */
  async learn(gameId: string, again: boolean): Promise<void> {
    if (!again && this.#known.has(gameId)) return;
    const { roomRecords, isPlayed, onError } = this.#options;
    const before = this.#known.get(gameId);
    try {
      const known = knownOf(await roomRecords.get(gameId));
      // A state that was reported during the read is not older than the record that was read, so keep that
      // state. If there is no record, the record has expired or the store has lost it: keep the known state,
      // to restore the record in the second case.
      if (known !== undefined && isPlayed(gameId) && this.#known.get(gameId) === before) {
        this.#known.set(gameId, known);
      }
    } catch (cause) {
      onError(toCmError(cause, "unavailable", "A game's record could not be read."), { stage: "projection" });
    }
  }

  /**
   * Reads all records again, at most `AT_ONCE` at a time, because records may have expired and other
   * servers may have created new ones. Never rejects.
   */
  async refresh(): Promise<void> {
    const games = [...this.#known.keys()];
    for (let from = 0; from < games.length; from += AT_ONCE) {
      await Promise.all(games.slice(from, from + AT_ONCE).map((gameId) => this.learn(gameId, true)));
    }
  }

  /** Handles an event that reports another state of a game whose record is known. */
  applyReportedState(gameId: string, state: GameState): void {
    const session = this.#known.get(gameId)?.session;
    if (session === undefined || session.state === state) return;
    // The event may be older than the known record. Without a version, the next change reads the record first.
    this.#known.set(gameId, { session: { ...session, state, lastActivity: Date.now() }, version: undefined });
  }

  forget(gameId: string): void {
    this.#known.delete(gameId);
  }

  /** Records activity of the game in the store, at most once per second. Never rejects. */
  async recordActivity(gameId: string): Promise<void> {
    const { roomRecords, onError } = this.#options;
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
      await roomRecords.get(gameId, { touch: true });
    } catch (cause) {
      this.#activities.delete(gameId);
      const error = toCmError(cause, "unavailable", "A game's activity could not be written to the store.");
      onError(error, { stage: "projection" });
    }
  }

  /** Passes all known records to the store, which writes those that it has lost. */
  async restore(lease: Lease): Promise<void> {
    if (this.#known.size === 0) return;
    const lost = [...this.#known.values()].map(({ session }) => {
      const { id: room, createdAt, lastActivity } = session;
      return { room, value: encodeGameRecord(session), createdAt, lastActivity };
    });
    await this.#options.roomRecords.restore(lease, lost);
  }
}

function knownOf(record: RoomRecord | undefined): Known | undefined {
  const session = decodeGameRecord(record);
  return session === undefined ? undefined : { session, version: record?.version };
}

function requireGame(gameId: string, record: RoomRecord | undefined): Known {
  const known = knownOf(record);
  if (known !== undefined) return known;
  throw new CmError("not-found", `The game ${gameId} has no session.`);
}

function leadsTo({ session }: Known, to: GameState): boolean {
  return GAME_TRANSITIONS[session.state].includes(to);
}

function transitionInvalid(from: GameState, to: GameState): CmError {
  return new CmError("transition-invalid", `A game in state ${from} can't change to ${to}.`, { details: { from, to } });
}
