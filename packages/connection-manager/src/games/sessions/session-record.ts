import { GAME_STATES, type GameState, type RoomRecord } from "@cm/protocol";

/** What is kept about a game, beside its players, who are the room's members. */
export interface SessionRecord {
  /** The game's id, which is also its room's name. */
  readonly id: string;
  readonly state: GameState;
  /** Milliseconds since the Unix epoch, of the store's clock. */
  readonly createdAt: number;
  /** Milliseconds since the Unix epoch, of the store's clock. */
  readonly lastActivity: number;
  /** Id of the server that created it. */
  readonly serverInstance: string;
}

/** The value of a new game's record. */
export function newSession(serverInstance: string): string {
  return encodeSession({ state: "waiting", serverInstance });
}

/** A game's part of its room's record; the rest is the store's. */
export function encodeSession({ state, serverInstance }: Pick<SessionRecord, "state" | "serverInstance">): string {
  return JSON.stringify({ state, serverInstance });
}

/** The game that a room's record is of; `undefined` where there is none, or the record is no game's. */
export function decodeSession(record: RoomRecord | undefined): SessionRecord | undefined {
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
    // Other users of the store may keep other records than games.
    return undefined;
  }
}
