import { CmError, type Result } from "./errors.js";
import { isRecord, optionalString } from "./shape.js";

/** Something that happened in a game. */
export interface GameEvent {
  /** What happened, such as `player-joined` or `game-move`; not empty. */
  readonly type: string;
  /** The user who caused it. */
  readonly userId?: string;
  /** The game it happened in. */
  readonly gameId?: string;
  /** Anything that JSON can carry; its meaning belongs to the type. */
  readonly data?: unknown;
  /** Milliseconds since the Unix epoch. */
  readonly timestamp: number;
  /** Id of the server that published it; filled in by the manager. */
  readonly serverInstance?: string;
}

/** Reads a game event; `event-invalid` where a field is missing or of the wrong shape. */
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
    // Checked field by field just above.
    return { ok: true, value: value as unknown as GameEvent };
  }
  return {
    ok: false,
    error: new CmError(
      "event-invalid",
      "A game event needs a type (string) and a timestamp (number); its ids are strings.",
    ),
  };
}
