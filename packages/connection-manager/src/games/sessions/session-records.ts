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
import { decodeSession, encodeSession, type SessionRecord } from "./session-record.js";

/** Games whose last activity is remembered; beyond it the oldest is forgotten. */
const ACTIVITIES_MAX = 10_000;

/** A game's activity is written to the store at most once in this time. */
const ACTIVITY_INTERVAL_MS = 1_000;

/** Records that are read at a time. */
const AT_ONCE = 100;

/** How often a change of state is attempted while concurrent changes win. */
const ATTEMPTS_MAX = 16;

/** What is known of a game's record. */
interface Known {
  readonly session: SessionRecord;
  /** Of the record that says so; `undefined` where only an event did. */
  readonly version: number | undefined;
}

/** What a {@link SessionRecords} needs. */
export interface SessionRecordsOptions {
  readonly roomRecords: RoomRecords;
  /** Whether the game has players here, whose loss of data this server makes good. */
  readonly isPlayed: (gameId: string) => boolean;
  readonly onError: OnError;
}

/**
 * Games as values of their rooms' records. What this server knows of the games that are
 * played here it remembers: so that a store that lost them gets them again, and so that a
 * change of state need not read first.
 */
export class SessionRecords {
  readonly #options: SessionRecordsOptions;
  readonly #known = new Map<string, Known>();
  /** When a game's activity was last told, by the monotonic clock. */
  readonly #activities = new Map<string, number>();

  constructor(options: SessionRecordsOptions) {
    this.#options = options;
  }

  /** The game as the store has it. */
  async get(gameId: string): Promise<SessionRecord | undefined> {
    return decodeSession(await this.#options.roomRecords.get(gameId));
  }

  /**
   * Moves a game to another state: in one round trip where this server knows its record,
   * else in two, and in one more for each change that others make meanwhile. Of two that
   * compete, one wins. Fails with `not-found`, with `transition-invalid` (its `details`
   * name both) where the state that the store has does not lead there, or with
   * `unavailable` where others were ahead every time.
   */
  async move(gameId: string, to: GameState): Promise<void> {
    const { roomRecords } = this.#options;
    const before = this.#known.get(gameId);
    let known = before;
    // What is known here may be old: only the store refuses.
    if (known !== undefined && !leadsTo(known, to)) known = undefined;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const { session, version } =
        known?.version === undefined ? requireGame(gameId, await roomRecords.get(gameId)) : known;
      if (!leadsTo({ session, version }, to)) throw transitionInvalid(session.state, to);
      const value = encodeSession({ ...session, state: to });
      const { isSet, record } = await roomRecords.compareAndSet(gameId, version ?? 0, value);
      known = requireGame(gameId, record);
      if (!isSet) continue;
      const now = this.#known.get(gameId);
      // What was told meanwhile may be later than this change.
      const isLatest = now === before || (now?.version ?? Number.POSITIVE_INFINITY) < record.version;
      if (now !== undefined && isLatest) this.#known.set(gameId, known);
      return;
    }
    throw new CmError("unavailable", `The game ${gameId} was changed by others again and again.`);
  }

  /**
   * Reads the record of a game that is played here: once, or again where `anew` is set, since
   * it may have run out and another one have been made. Runs in the background; never fails.
   */
  async learn(gameId: string, anew: boolean): Promise<void> {
    if (!anew && this.#known.has(gameId)) return;
    const { roomRecords, isPlayed, onError } = this.#options;
    const before = this.#known.get(gameId);
    try {
      const known = knownOf(await roomRecords.get(gameId));
      // What was told meanwhile is not older than what was read. A game without a record
      // has run out, or its data are lost: what is known of it is kept for the latter.
      if (known !== undefined && isPlayed(gameId) && this.#known.get(gameId) === before) {
        this.#known.set(gameId, known);
      }
    } catch (cause) {
      onError(toCmError(cause, "unavailable", "A game's record could not be read."), { stage: "projection" });
    }
  }

  /** Rereads all records, at most `AT_ONCE` at a time: others may have made games that ran out here. Never fails. */
  async refresh(): Promise<void> {
    const games = [...this.#known.keys()];
    for (let from = 0; from < games.length; from += AT_ONCE) {
      await Promise.all(games.slice(from, from + AT_ONCE).map((gameId) => this.learn(gameId, true)));
    }
  }

  /** An event says that a game of which a record is known is in another state. */
  told(gameId: string, state: GameState): void {
    const session = this.#known.get(gameId)?.session;
    // It may be older than what is known: the record is read before the next change.
    if (session === undefined || session.state === state) return;
    this.#known.set(gameId, { session: { ...session, state, lastActivity: Date.now() }, version: undefined });
  }

  forget(gameId: string): void {
    this.#known.delete(gameId);
  }

  /** Tells the store that something happens in the game, once a second. Never fails. */
  async active(gameId: string): Promise<void> {
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
      onError(toCmError(cause, "unavailable", "A game's activity could not be told."), { stage: "projection" });
    }
  }

  /** Writes what the store has lost. */
  async restore(lease: Lease): Promise<void> {
    if (this.#known.size === 0) return;
    const lost = [...this.#known.values()].map(({ session }) => {
      const { id: room, createdAt, lastActivity } = session;
      return { room, value: encodeSession(session), createdAt, lastActivity };
    });
    await this.#options.roomRecords.restore(lease, lost);
  }
}

function knownOf(record: RoomRecord | undefined): Known | undefined {
  const session = decodeSession(record);
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
  return new CmError("transition-invalid", `A game that is ${from} can't become ${to}.`, { details: { from, to } });
}
