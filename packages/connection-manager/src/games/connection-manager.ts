import type { GameEvent, GameSession, GameState, PlayerConnection } from "@cm/protocol";
import type { GameEventHandler } from "./events/game-feed.js";

/** How a connection is ended. */
export interface DisconnectOptions {
  /** Whether the user means to go: offline at once, without the grace period. Default `false`. */
  readonly signOff?: boolean;
}

/** Numbers of the whole cluster; what a dead server left counts until it is cleaned up. */
export interface ConnectionStats {
  /** Users who are online, those in their grace period among them. */
  readonly onlineUsers: number;
  /** Games with a session. */
  readonly activeGames: number;
  /** Connections of all servers. */
  readonly totalConnections: number;
}

/** Takes a handler off. Calling it again does nothing. */
export interface HandlerRegistration {
  (): void;
  /**
   * Resolves when the handler hears everything that happens from then on; fails with
   * `closed` where it was taken off before. Need not be waited for.
   */
  readonly ready: Promise<void>;
}

/**
 * Users, their sockets and the games that they play, across all servers.
 *
 * Ids of users and games are any well-formed text of 1 to 255 (games: 243) bytes
 * (`name-invalid`, `name-too-long`); a socket's name is the application's own, 1 to 255
 * bytes (`id-invalid`). Whatever changes or reads fails with `unavailable` or `timeout`
 * where the store can't be reached, and with `closed` after the shutdown; a call that
 * fails leaves nothing behind.
 */
export interface ConnectionManager {
  /** Id of this server. */
  readonly serverInstance: string;
  /**
   * Registers a socket of a user. Does nothing where it is registered. Where the user
   * plays or watches games through this server, the new socket is in them too. Fails with
   * `id-invalid` where another user's socket has that name on this server, and with
   * `capacity-reached` where the server has `maxConnections` sockets.
   */
  connect(userId: string, socketId: string): Promise<void>;
  /**
   * Forgets a socket, and its places in games: with the last one of a user in a game, the
   * user leaves it. Does nothing for a socket that is not known. The user is offline
   * after the grace period where it was the last one anywhere.
   */
  disconnect(userId: string, socketId: string, options?: DisconnectOptions): Promise<void>;
  /** A sign of life of a socket. Does nothing for one that is not known. */
  touch(userId: string, socketId: string): void;
  /**
   * Has a user play a game, with all sockets that the user has here; `not-found` where
   * there is none. The first player makes the game, `waiting`. Does nothing for a player;
   * a spectator of the game here stops watching. When it resolves, every later event of
   * the game reaches this server's handlers.
   */
  joinGame(userId: string, gameId: string): Promise<void>;
  /**
   * Takes a user out of a game, with all sockets on all servers; the last player takes the
   * game along. Does nothing for a user who is not in it. Fails with `timeout` where
   * another server that holds a socket of the user has not answered.
   */
  leaveGame(userId: string, gameId: string): Promise<void>;
  /**
   * Has a user watch a game, with all sockets that the user has here: `not-found` where
   * there is none, or no such game. Does nothing for a user who watches or plays it here.
   * Ends with the game, too.
   */
  spectateGame(userId: string, gameId: string): Promise<void>;
  /** Ends watching, with all sockets that the user has here. Does nothing for others. */
  stopSpectating(userId: string, gameId: string): Promise<void>;
  /** Users who play the game, each once; those of dead servers are left out. */
  getOnlinePlayers(gameId: string): Promise<string[]>;
  /** Users who watch the game and don't play it, each once. */
  getSpectators(gameId: string): Promise<string[]>;
  /** The game; `undefined` where there is none. */
  getSession(gameId: string): Promise<GameSession | undefined>;
  /**
   * Moves a game to another state (see `GAME_TRANSITIONS`) and tells all handlers with a
   * `game-state-changed`. Fails with `transition-invalid`, `not-found`, or
   * `options-invalid` for what is no state.
   */
  setGameState(gameId: string, state: GameState): Promise<void>;
  /**
   * Sends an event to the handlers of all servers, this one's too. The game's id and this
   * server's are filled in. Does nothing where the game has no handlers. Fails with
   * `event-invalid`, `payload-unserializable` or `payload-too-large`; `event-invalid` also
   * for a `game-state-changed`, which is `setGameState`'s to tell.
   */
  broadcast(gameId: string, event: GameEvent): Promise<void>;
  /**
   * Has a handler hear of a game's events, whichever server publishes them, and of `player-joined`,
   * `player-left` (why stands in `data.reason`) and `game-removed`, each once. A handler
   * is on a game once. Throws `options-invalid` for what is no function.
   */
  onGameEvent(gameId: string, handler: GameEventHandler): HandlerRegistration;
  /** Takes a handler off. Does nothing for one that is not on. */
  offGameEvent(gameId: string, handler: GameEventHandler): void;
  /** One round trip, in O(partitions). */
  getStats(): Promise<ConnectionStats>;
  /** A user's sockets on all servers. Two round trips. */
  getConnections(userId: string): Promise<PlayerConnection[]>;
  /**
   * Closes this server's sockets that gave no sign of life for `staleConnectionTimeout`, and
   * cleans up after servers that died; also done by itself every `cleanupInterval`.
   * Resolves with the number of connections that went.
   */
  cleanupStaleConnections(): Promise<number>;
  /** Whether calls can be expected to succeed. */
  isReady(): boolean;
  /** Whether it has ended or is ending: by `shutdown`, or because another process took its id. */
  readonly isShutDown: boolean;
  /** Withdraws everything and ends. Idempotent; never fails. */
  shutdown(): Promise<void>;
  /** As {@link shutdown}. */
  [Symbol.asyncDispose](): Promise<void>;
}
