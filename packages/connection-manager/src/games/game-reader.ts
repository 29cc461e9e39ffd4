import type { Presence } from "@cm/presence";
import type { ConnectionRecord, GameSession, PlayerConnection, Store, UserConnection } from "@cm/protocol";
import { ownerOf } from "@cm/protocol";
import type { ConnectionStats } from "./connection-manager.js";
import { isSpectatorsRoom, spectatorsRoom } from "./game-names.js";
import type { LocalPlayers } from "./players/local-players.js";
import type { GameSessionStore } from "./sessions/game-session-store.js";

/** The maximum page size of the `RoomDirectory` contract. */
const PAGE_MAX = 1_000;

/** The metadata of a connection: its socket id. */
export interface SocketMetadata {
  readonly socketId: string;
}

/** Parts that {@link GameReader} reads from. */
export interface GameReaderParts {
  readonly store: Pick<Store, "rooms" | "users" | "counts" | "connections">;
  readonly presence: Pick<Presence, "readComplete">;
  readonly records: Pick<GameSessionStore, "get">;
  readonly players: LocalPlayers;
}

/** Reads games and players from the store. While servers are writing lost players again, reads of players wait. */
export class GameReader {
  readonly #store: Pick<Store, "rooms" | "users" | "counts" | "connections">;
  readonly #presence: Pick<Presence, "readComplete">;
  readonly #records: Pick<GameSessionStore, "get">;
  readonly #players: LocalPlayers;

  constructor({ store, presence, records, players }: GameReaderParts) {
    this.#store = store;
    this.#presence = presence;
    this.#records = records;
    this.#players = players;
  }

  /** Reads the players of a game. */
  players(gameId: string): Promise<Set<string>> {
    return this.#presence.readComplete(() => this.#users(gameId));
  }

  /** Reads the users in a room, each once. One round trip per thousand connections. */
  async #users(room: string): Promise<Set<string>> {
    const users = new Set<string>();
    let cursor: string | undefined;
    do {
      const page = await this.#store.rooms.members(room, { limit: PAGE_MAX, cursor });
      for (const { userId } of page.items) users.add(userId);
      cursor = page.cursor;
    } while (cursor !== undefined);
    return users;
  }

  async spectators(gameId: string): Promise<string[]> {
    const [players, spectators] = await this.#presence.readComplete(() =>
      Promise.all([this.#users(gameId), this.#users(spectatorsRoom(gameId))]),
    );
    return [...spectators].filter((userId) => !players.has(userId));
  }

  async session(gameId: string): Promise<GameSession | undefined> {
    const [record, players, spectators] = await this.#presence.readComplete(() =>
      Promise.all([this.#records.get(gameId), this.#users(gameId), this.#users(spectatorsRoom(gameId))]),
    );
    if (record === undefined) return undefined;
    return {
      ...record,
      players: [...players],
      spectators: [...spectators].filter((userId) => !players.has(userId)),
    };
  }

  async stats(): Promise<ConnectionStats> {
    const { counts } = this.#store;
    const [onlineUsers, activeGames, totalConnections] = await Promise.all([
      counts.of("users"),
      counts.of("roomRecords"),
      counts.of("connections"),
    ]);
    return { onlineUsers, activeGames, totalConnections };
  }

  async connections(userId: string): Promise<PlayerConnection[]> {
    const [state] = await this.#store.users.states([userId]);
    const found = await Promise.all((state?.connections ?? []).map((connection) => this.#connection(connection)));
    return found.filter((connection) => connection !== undefined);
  }

  /** Reads a connection; `undefined` if it was closed in between. */
  async #connection({ connectionId, userId, metadata }: UserConnection): Promise<PlayerConnection | undefined> {
    const record = await this.#store.connections.get(connectionId);
    if (record === undefined) return undefined;
    return {
      userId,
      socketId: socketIdOf(metadata) ?? connectionId,
      gameIds: record.rooms.filter((room) => !isSpectatorsRoom(room)),
      lastSeen: this.#lastSeen(record),
      serverInstance: ownerOf(connectionId) ?? "",
    };
  }

  /**
   * When a connection was last active. For a socket of this server, this is the current value; for another server's
   * socket, it is the value of the record's last write.
   */
  #lastSeen({ connectionId, lastSeen }: ConnectionRecord): number {
    return this.#players.ofConnection(connectionId)?.lastSeen ?? lastSeen;
  }
}

/**
 * Returns the socket id from a connection's metadata; `undefined` if the connection was not made by this kind
 * of manager.
 */
function socketIdOf(metadata: string | undefined): string | undefined {
  // The metadata in the store is always valid JSON.
  const value: unknown = metadata === undefined ? undefined : JSON.parse(metadata);
  if (typeof value !== "object" || value === null || !("socketId" in value)) return undefined;
  return typeof value.socketId === "string" ? value.socketId : undefined;
}
