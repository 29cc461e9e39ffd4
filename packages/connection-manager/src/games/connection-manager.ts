import type { GameEvent, GameSession, GameState, PlayerConnection } from "@cm/protocol";
import type { GameEventHandler } from "./events/game-feed.js";

/** Options of `disconnect`. */
export interface DisconnectOptions {
  /**
   * Whether the user signs off deliberately, and so is offline at once, without the grace period.
   * Default `false`.
   */
  readonly signOff?: boolean;
}

/** Totals of the whole cluster. Data of a dead server counts until it is cleaned up. */
export interface ConnectionStats {
  /** Number of users who are online, including those in their grace period. */
  readonly onlineUsers: number;
  /** Number of games with a session. */
  readonly activeGames: number;
  /** Number of connections on all servers. */
  readonly totalConnections: number;
}

/** A function that removes a handler. Calling it again does nothing. */
export interface HandlerRegistration {
  (): void;
  /**
   * Resolves when the handler receives every event that occurs from then on. Rejects with `closed` if
   * the handler was removed before. Awaiting it is optional.
   */
  readonly ready: Promise<void>;
}

/**
 * Users, their sockets and the games that they play, across all servers.
 *
 * Ids of users and games are any well-formed text of 1 to 255 (games: 243) bytes (`name-invalid`, `name-too-long`).
 * A socket id is the application's own identifier, 1 to 255 bytes (`id-invalid`). Methods that change or read
 * something reject with `unavailable` or `timeout` if the store can't be reached, and with `closed` after the
 * shutdown. A call that fails leaves nothing behind, but an event or a change of state that ended with `timeout`
 * may have taken effect.
 */
export interface ConnectionManager {
  /** The id of this server. */
  readonly serverInstance: string;
  /**
   * Registers a socket of a user. Does nothing if the socket is registered already. If the user plays or
   * watches games through this server, the new socket joins them too. Rejects with `id-invalid` if another
   * user's socket has that id on this server, and with `capacity-reached` if the server has `maxConnections`
   * sockets.
   */
  connect(userId: string, socketId: string): Promise<void>;
  /**
   * Removes a socket, and removes it from its games: with the user's last socket in a game, the user
   * leaves the game. Does nothing for an unknown socket. If it was the user's last socket on any
   * server, the user is offline after the grace period.
   */
  disconnect(userId: string, socketId: string, options?: DisconnectOptions): Promise<void>;
  /** Records that a socket is active now, so that it does not become stale. Does nothing for an unknown socket. */
  touch(userId: string, socketId: string): void;
  /**
   * Makes a user a player of a game, with all sockets that the user has on this server; rejects with
   * `not-found` if there are none. The first player creates the game in the state `waiting`. Does nothing for
   * a user who is already a player of the game; a spectator of the game on this server stops watching. When
   * the promise resolves, every later event of the game reaches this server's handlers.
   */
  joinGame(userId: string, gameId: string): Promise<void>;
  /**
   * Removes a user from a game, with all sockets on all servers. When the last player leaves, the game
   * is removed. Does nothing for a user who is not in the game. Rejects with `timeout` if another
   * server that holds a socket of the user has not answered.
   */
  leaveGame(userId: string, gameId: string): Promise<void>;
  /**
   * Makes a user a spectator of a game, with all sockets that the user has on this server; rejects with
   * `not-found` if there are none, or if there is no such game. Does nothing for a user who watches or
   * plays the game on this server. Watching also ends with the game.
   */
  spectateGame(userId: string, gameId: string): Promise<void>;
  /**
   * Stops watching, with all sockets that the user has on this server. Does nothing for a user who does
   * not watch the game.
   */
  stopSpectating(userId: string, gameId: string): Promise<void>;
  /** Lists the users who play the game, each once. Players whose server is dead are left out. */
  getOnlinePlayers(gameId: string): Promise<string[]>;
  /** Lists the users who watch the game and don't play it, each once. */
  getSpectators(gameId: string): Promise<string[]>;
  /** Reads the game; `undefined` if there is none. */
  getSession(gameId: string): Promise<GameSession | undefined>;
  /**
   * Changes the state of a game (see `GAME_TRANSITIONS`) and notifies all handlers with a
   * `game-state-changed` event. Rejects with `transition-invalid`, `not-found`, or `options-invalid` if
   * the value is not a valid state.
   */
  setGameState(gameId: string, state: GameState): Promise<void>;
  /**
   * Sends an event to the handlers on all servers, including this one. The game's id and this server's
   * id are filled in. The call counts as activity of the game. It is not an error if the game has no
   * handlers. Rejects with `event-invalid`, `payload-unserializable` or `payload-too-large`; also with
   * `event-invalid` for a `game-state-changed`, which only `setGameState` emits.
   */
  broadcast(gameId: string, event: GameEvent): Promise<void>;
  /**
   * Adds a handler for a game's events, whichever server publishes them, and for `player-joined`,
   * `player-left` (with the reason in `data.reason`) and `game-removed`, each once. Adding the same
   * handler to a game again has no effect. Throws `options-invalid` if the handler is not a function.
   */
  onGameEvent(gameId: string, handler: GameEventHandler): HandlerRegistration;
  /** Removes a handler. Does nothing if the handler was not added. */
  offGameEvent(gameId: string, handler: GameEventHandler): void;
  /** Reads totals of the cluster. One round trip, in O(partitions). */
  getStats(): Promise<ConnectionStats>;
  /** Lists a user's sockets on all servers. Two round trips. */
  getConnections(userId: string): Promise<PlayerConnection[]>;
  /**
   * Closes this server's connections that were not active for `staleConnectionTimeout`, and cleans up dead servers.
   * Also runs automatically every `cleanupInterval`. Resolves with the number of connections that were removed.
   */
  cleanupStaleConnections(): Promise<number>;
  /** Whether calls can be expected to succeed. */
  isReady(): boolean;
  /**
   * Whether the manager has been or is being shut down: by `shutdown`, or because another process took
   * its id.
   */
  readonly isShutDown: boolean;
  /** Withdraws everything from the store and shuts down. Idempotent; never rejects. */
  shutdown(): Promise<void>;
  /** The same as {@link shutdown}. */
  [Symbol.asyncDispose](): Promise<void>;
}
