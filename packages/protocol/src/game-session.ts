import { CmError, type Result } from "./errors.js";
import { isRecord, isStringArray } from "./type-guards.js";

/** The states of a game session. */
export const GAME_STATES = ["waiting", "active", "paused", "completed"] as const;

/** One of {@link GAME_STATES}. */
export type GameState = (typeof GAME_STATES)[number];

/** The states that can follow each state. `completed` is final. */
export const GAME_TRANSITIONS: Readonly<Record<GameState, readonly GameState[]>> = {
  waiting: ["active", "completed"],
  active: ["paused", "completed"],
  paused: ["active", "completed"],
  completed: [],
};

/** A game: a room with a record. */
export interface GameSession {
  /** The game's id, which is also its room's name. */
  readonly id: string;
  /** Ids of the users who play. */
  readonly players: string[];
  /** Ids of the users who watch. */
  readonly spectators: string[];
  /** The game's current state; see {@link GAME_TRANSITIONS}. */
  readonly state: GameState;
  /** When the game was created, in milliseconds since the Unix epoch. */
  readonly createdAt: number;
  /**
   * When the game was last active, in milliseconds since the Unix epoch; each activity renews the
   * record's time to live.
   */
  readonly lastActivity: number;
  /** Id of the server that created the session. */
  readonly serverInstance: string;
}

/**
 * Checks that a value is a game session. Returns `event-invalid` if a field is missing or has the wrong
 * type.
 */
export function parseGameSession(value: unknown): Result<GameSession> {
  if (
    isRecord(value) &&
    typeof value.id === "string" &&
    isStringArray(value.players) &&
    isStringArray(value.spectators) &&
    GAME_STATES.some((state) => state === value.state) &&
    Number.isFinite(value.createdAt) &&
    Number.isFinite(value.lastActivity) &&
    typeof value.serverInstance === "string"
  ) {
    // Every declared field was checked above.
    return { ok: true, value: value as unknown as GameSession };
  }
  return { ok: false, error: new CmError("event-invalid", "This is not a game session.") };
}
