import { CmError, type Result } from "./errors.js";
import { isRecord, isStringArray } from "./type-guards.js";

/** One socket of a player, as the game manager sees it. */
export interface PlayerConnection {
  /** The user that the socket belongs to. */
  readonly userId: string;
  /** The application's own identifier of the socket. */
  readonly socketId: string;
  /** Ids of the games that the player is in. */
  readonly gameIds: string[];
  /** Time of the socket's last sign of life, in milliseconds since the Unix epoch. */
  readonly lastSeen: number;
  /** Id of the server that holds the socket. */
  readonly serverInstance: string;
}

/**
 * Checks that a value is a player connection. Returns `event-invalid` if a field is missing or has the
 * wrong type.
 */
export function parsePlayerConnection(value: unknown): Result<PlayerConnection> {
  if (
    isRecord(value) &&
    typeof value.userId === "string" &&
    typeof value.socketId === "string" &&
    isStringArray(value.gameIds) &&
    Number.isFinite(value.lastSeen) &&
    typeof value.serverInstance === "string"
  ) {
    // Every declared field was checked above.
    return { ok: true, value: value as unknown as PlayerConnection };
  }
  return { ok: false, error: new CmError("event-invalid", "This is not a player connection.") };
}
