import { GAME_STATES, type GameState, type RoomRecord } from "@cm/protocol";

/** The stored data of a game, besides its players, who are the room's members. */
export interface GameRecord {
  /** The game's id, which is also its room's name. */
  readonly id: string;
  readonly state: GameState;
  /** When the game was created, in milliseconds since the Unix epoch, by the store's clock. */
  readonly createdAt: number;
  /** When the game was last active, in milliseconds since the Unix epoch, by the store's clock. */
  readonly lastActivity: number;
  /** Id of the server that created the game. */
  readonly serverInstance: string;
}

/** Returns the value of a new game's record. */
export function encodeNewGameRecord(serverInstance: string): string {
  return encodeGameRecord({ state: "waiting", serverInstance });
}

/** Encodes the value of a game's record. The other fields of a `GameRecord` are kept by the store. */
export function encodeGameRecord({ state, serverInstance }: Pick<GameRecord, "state" | "serverInstance">): string {
  return JSON.stringify({ state, serverInstance });
}

/**
 * Decodes the game from a room's record; `undefined` if there is no record, or the record is not that of a
 * game.
 */
export function decodeGameRecord(record: RoomRecord | undefined): GameRecord | undefined {
  const value = record === undefined ? undefined : parseJson(record.value);
  if (record === undefined || typeof value !== "object" || value === null) return undefined;
  const state = "state" in value ? GAME_STATES.find((each) => each === value.state) : undefined;
  if (state === undefined || !("serverInstance" in value) || typeof value.serverInstance !== "string") return undefined;
  const { room: id, createdAt, lastActivity } = record;
  return { id, state, createdAt, lastActivity, serverInstance: value.serverInstance };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Other users of the store may write records that are not games.
    return undefined;
  }
}
