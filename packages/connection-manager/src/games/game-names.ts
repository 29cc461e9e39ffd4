import { CmError, NAME_MAX_BYTES, requireName, utf8ByteLength } from "@cm/protocol";

/** Prefix of the name of the room that a game's spectators are in, in front of the game's id. */
const SPECTATORS_PREFIX = "\u0000spectators\u0000";

/**
 * Returns a valid room name of the sockets API unchanged. A spectators' room is rejected, because only
 * the games API may add members to it.
 */
export function requireSocketsRoom(room: unknown): string {
  const name = requireName(room, "room");
  if (!isSpectatorsRoom(name)) return name;
  throw new CmError("name-invalid", "This is a spectator room; use spectateGame.");
}

/** The maximum length of a game id, in bytes of UTF-8: with the prefix, it must still be a valid room name. */
export const GAME_ID_MAX_BYTES = NAME_MAX_BYTES - SPECTATORS_PREFIX.length;

/** Returns a valid game id unchanged. Throws `name-invalid` or `name-too-long`. */
export function requireGameId(gameId: unknown): string {
  const name = requireName(gameId, "room");
  if (isSpectatorsRoom(name)) {
    throw new CmError("name-invalid", "A game id must not begin with the prefix of spectator rooms.");
  }
  if (utf8ByteLength(name) > GAME_ID_MAX_BYTES) {
    throw new CmError("name-too-long", `The game's id is longer than ${GAME_ID_MAX_BYTES} bytes.`, {
      details: { maxBytes: GAME_ID_MAX_BYTES },
    });
  }
  return name;
}

/** Returns the name of the room that a game's spectators are in. */
export function spectatorsRoom(gameId: string): string {
  return SPECTATORS_PREFIX + gameId;
}

/** Whether a room is a spectators' room and not a game. */
export function isSpectatorsRoom(room: string): boolean {
  return room.startsWith(SPECTATORS_PREFIX);
}
