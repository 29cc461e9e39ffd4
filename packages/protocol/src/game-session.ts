import { CmError, type Result } from "./errors.js";
import { isRecord, isStringArray } from "./shape.js";

/** The states of a game session. */
export const GAME_STATES = ["waiting", "active", "paused", "completed"] as const;

/** One of {@link GAME_STATES}. */
export type GameState = (typeof GAME_STATES)[number];

/** Which state leads where. `completed` is the end. */
export const GAME_TRANSITIONS: Readonly<Record<GameState, readonly GameState[]>> = {
  waiting: ["active", "completed"],
  active: ["paused", "completed"],
  paused: ["active", "completed"],
  completed: [],
};

/** A game: a room with a record of its own. */
export interface GameSession {
  /** The game's id, which is also its room's name. */
  readonly id: string;
  /** User ids of those who play. */
  readonly players: string[];
  /** User ids of those who watch. */
  readonly spectators: string[];
  /** Where in its life the game is; see {@link GAME_TRANSITIONS}. */
  readonly state: GameState;
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number;
  /** Milliseconds since the Unix epoch; each activity renews the record's time to live. */
  readonly lastActivity: number;
  /** Id of the server that created the session. */
  readonly serverInstance: string;
}

/** Reads a game session; `event-invalid` where a field is missing or of the wrong shape. */
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
    // Checked field by field just above.
    return { ok: true, value: value as unknown as GameSession };
  }
  return { ok: false, error: new CmError("event-invalid", "This is not a game session.") };
}
