import { CmError, type Result } from "./errors.js";
import { isRecord, optionalString } from "./type-guards.js";

/** An event in a game. */
export interface GameEvent {
  /** The kind of event, such as `player-joined` or `game-move`; not empty. */
  readonly type: string;
  /** The user who caused the event. */
  readonly userId?: string;
  /** The game in which the event occurred. */
  readonly gameId?: string;
  /** Any JSON value; its meaning depends on `type`. */
  readonly data?: unknown;
  /** When the event occurred, in milliseconds since the Unix epoch. */
  readonly timestamp: number;
  /** Id of the server that published the event; the game manager sets it when it publishes. */
  readonly serverInstance?: string;
}

/** Checks that a value is a game event. Returns `event-invalid` if a field is missing or has the wrong type. */
export function parseGameEvent(value: unknown): Result<GameEvent> {
  if (
    isRecord(value) &&
    typeof value.type === "string" &&
    value.type.length > 0 &&
    Number.isFinite(value.timestamp) &&
    optionalString(value.userId) &&
    optionalString(value.gameId) &&
    optionalString(value.serverInstance)
  ) {
    // Every declared field was checked above.
    return { ok: true, value: value as unknown as GameEvent };
  }
  return {
    ok: false,
    error: new CmError(
      "event-invalid",
      "A game event must have a type (string) and a timestamp (number), and its ids must be strings.",
    ),
  };
}
