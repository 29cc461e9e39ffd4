import { CmError, NAME_MAX_BYTES, requireName, utf8ByteLength } from "@cm/protocol";

/** In front of a game's id in the name of the room that its spectators are in. */
const SPECTATORS_PREFIX = "\u0000spectators\u0000";

/** A room's name that the sockets API takes: not that of a game's spectators, which games alone fill. */
export function requireSocketsRoom(room: unknown): string {
  const name = requireName(room, "room");
  if (!isSpectatorsRoom(name)) return name;
  throw new CmError("name-invalid", "The room is that of a game's spectators, which spectateGame fills.");
}

/** The longest game id, in bytes of UTF-8: the spectators' room is a name too. */
export const GAME_ID_MAX_BYTES = NAME_MAX_BYTES - SPECTATORS_PREFIX.length;

/** A game's id as it is, or `name-invalid` or `name-too-long` thrown. */
export function requireGameId(gameId: unknown): string {
  const name = requireName(gameId, "room");
  if (isSpectatorsRoom(name)) {
    throw new CmError("name-invalid", "A game's id does not begin like the name of a room of spectators.");
  }
  if (utf8ByteLength(name) > GAME_ID_MAX_BYTES) {
    throw new CmError("name-too-long", `The game's id is longer than ${GAME_ID_MAX_BYTES} bytes.`, {
      details: { maxBytes: GAME_ID_MAX_BYTES },
    });
  }
  return name;
}

/** The room that a game's spectators are in. */
export function spectatorsRoom(gameId: string): string {
  return SPECTATORS_PREFIX + gameId;
}

/** Whether a room is one of spectators, and no game. */
export function isSpectatorsRoom(room: string): boolean {
  return room.startsWith(SPECTATORS_PREFIX);
}
