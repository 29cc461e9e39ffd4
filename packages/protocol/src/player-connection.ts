import { CmError, type Result } from "./errors.js";
import { isRecord, isStringArray } from "./shape.js";

/** One socket of a player, as the game manager sees it. */
export interface PlayerConnection {
  /** Whose socket it is. */
  readonly userId: string;
  /** The application's own name of the socket. */
  readonly socketId: string;
  /** Ids of the games that the player is in. */
  readonly gameIds: string[];
  /** Milliseconds since the Unix epoch. */
  readonly lastSeen: number;
  /** Id of the server that holds the socket. */
  readonly serverInstance: string;
}

/** Reads a player connection; `event-invalid` where a field is missing or of the wrong shape. */
export function parsePlayerConnection(value: unknown): Result<PlayerConnection> {
  if (
    isRecord(value) &&
    typeof value.userId === "string" &&
    typeof value.socketId === "string" &&
    isStringArray(value.gameIds) &&
    Number.isFinite(value.lastSeen) &&
    typeof value.serverInstance === "string"
  ) {
    // Checked field by field just above.
    return { ok: true, value: value as unknown as PlayerConnection };
  }
  return { ok: false, error: new CmError("event-invalid", "This is not a player connection.") };
}
