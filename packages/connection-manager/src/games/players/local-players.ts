import { CmError, requireName, utf8ByteLength } from "@cm/protocol";

/** The maximum length of a socket id, in bytes of UTF-8. */
const SOCKET_ID_MAX_BYTES = 255;

/** A socket of this server, with the id that the application gave it. */
export interface PlayerSocket {
  readonly userId: string;
  readonly socketId: string;
  /** The socket's connection id in the cluster. */
  readonly connectionId: string;
  /** Time of the last activity, in milliseconds since the Unix epoch. */
  lastSeen: number;
  /** Settles when the socket has been registered, or could not be registered. */
  opened: Promise<void>;
}

/** A user with sockets on this server. */
export interface Player {
  readonly userId: string;
  readonly sockets: Map<string, PlayerSocket>;
  /** Games that the user plays through this server. A socket that is opened later joins them too. */
  readonly games: Set<string>;
  /** Games that the user watches through this server. */
  readonly watching: Map<string, Watching>;
}

/** The state of a user who watches a game. */
export interface Watching {
  /** Settles when the user watches the game, or could not be added. */
  begun: Promise<void>;
}

/** The sockets of this server, indexed by user, by socket id and by connection id. */
export class LocalPlayers {
  readonly #players = new Map<string, Player>();
  readonly #bySocketId = new Map<string, PlayerSocket>();
  readonly #byConnectionId = new Map<string, PlayerSocket>();
  /** Per game, the number of its players on this server; `#spectators` has its spectators. */
  readonly #playing = new Map<string, number>();
  readonly #spectators = new Map<string, Set<Player>>();
  readonly #maxSockets: number;

  constructor(maxSockets: number) {
    this.#maxSockets = maxSockets;
  }

  get(userId: string): Player | undefined {
    return this.#players.get(userId);
  }

  require(userId: string): Player {
    const player = this.#players.get(userId);
    if (player === undefined) throw new CmError("not-found", "The user has no connection on this server.");
    return player;
  }

  socket(userId: string, socketId: string): PlayerSocket | undefined {
    return this.#players.get(userId)?.sockets.get(socketId);
  }

  ofConnection(connectionId: string): PlayerSocket | undefined {
    return this.#byConnectionId.get(connectionId);
  }

  sockets(): IterableIterator<PlayerSocket> {
    return this.#byConnectionId.values();
  }

  /**
   * Adds a socket. Throws `id-invalid` if another user's socket has the same id, and `capacity-reached`
   * at the maximum number of sockets.
   */
  add(socket: PlayerSocket): Player {
    if (this.#bySocketId.has(socket.socketId)) {
      throw new CmError("id-invalid", "A socket of another user has this id on this server.");
    }
    if (this.#bySocketId.size >= this.#maxSockets) {
      throw new CmError("capacity-reached", `This server accepts at most ${this.#maxSockets} connections.`, {
        details: { max: this.#maxSockets },
      });
    }
    let player = this.#players.get(socket.userId);
    if (player === undefined) {
      player = { userId: socket.userId, sockets: new Map(), games: new Set(), watching: new Map() };
      this.#players.set(socket.userId, player);
    }
    player.sockets.set(socket.socketId, socket);
    this.#bySocketId.set(socket.socketId, socket);
    this.#byConnectionId.set(socket.connectionId, socket);
    return player;
  }

  /** Removes a socket. Returns whether it was there. */
  delete(socket: PlayerSocket): boolean {
    if (!this.#byConnectionId.delete(socket.connectionId)) return false;
    this.#bySocketId.delete(socket.socketId);
    const player = this.#players.get(socket.userId);
    player?.sockets.delete(socket.socketId);
    if (player?.sockets.size === 0) this.#players.delete(socket.userId);
    return true;
  }

  /** Adds a player to a game's players on this server. Returns `false` if the player is one of them already. */
  play(player: Player, gameId: string): boolean {
    if (player.games.has(gameId)) return false;
    player.games.add(gameId);
    this.#playing.set(gameId, (this.#playing.get(gameId) ?? 0) + 1);
    return true;
  }

  stopPlaying(player: Player, gameId: string): boolean {
    if (!player.games.delete(gameId)) return false;
    const left = (this.#playing.get(gameId) ?? 1) - 1;
    if (left === 0) this.#playing.delete(gameId);
    else this.#playing.set(gameId, left);
    return true;
  }

  hasPlayers(gameId: string): boolean {
    return this.#playing.has(gameId);
  }

  spectate(player: Player, gameId: string, watching: Watching): void {
    player.watching.set(gameId, watching);
    const spectators = this.#spectators.get(gameId);
    if (spectators === undefined) this.#spectators.set(gameId, new Set([player]));
    else spectators.add(player);
  }

  stopSpectating(player: Player, gameId: string): boolean {
    if (!player.watching.delete(gameId)) return false;
    const spectators = this.#spectators.get(gameId);
    spectators?.delete(player);
    if (spectators?.size === 0) this.#spectators.delete(gameId);
    return true;
  }

  spectators(gameId: string): Player[] {
    return [...(this.#spectators.get(gameId) ?? [])];
  }

  spectatedGames(): string[] {
    return [...this.#spectators.keys()];
  }
}

/** Returns a valid user id unchanged. Throws `name-invalid` or `name-too-long`. */
export function requireUserId(userId: unknown): string {
  return requireName(userId, "user");
}

/** Returns a valid socket id unchanged. Throws `id-invalid`. */
export function requireSocketId(socketId: unknown): string {
  if (
    typeof socketId === "string" &&
    socketId.length > 0 &&
    socketId.isWellFormed() &&
    utf8ByteLength(socketId) <= SOCKET_ID_MAX_BYTES
  ) {
    return socketId;
  }
  throw new CmError("id-invalid", `A socket id must be 1 to ${SOCKET_ID_MAX_BYTES} bytes of well-formed text.`);
}
