import { createNode, type Node } from "@cm/node";
import {
  CmError,
  GAME_STATES,
  type GameEvent,
  type GameSession,
  type GameState,
  isCmError,
  type PlayerConnection,
  toCmError,
} from "@cm/protocol";
import { optionInvalid, requireOptions } from "@cm/protocol/options";
import type { ControlHandler } from "@cm/router";
import type {
  ConnectionManager,
  ConnectionStats,
  DisconnectOptions,
  HandlerRegistration,
} from "./connection-manager.js";
import { carriesState, encodeGameEvent, STATE_CHANGED, stateIn } from "./events/game-event-codec.js";
import type { GameEventHandler } from "./events/game-feed.js";
import { OpenGameFeeds } from "./events/open-game-feeds.js";
import { requireGameId } from "./game-names.js";
import {
  type ConnectionManagerOptions,
  type ResolvedConnectionManagerOptions,
  resolveConnectionManagerOptions,
} from "./game-options.js";
import { GameReader } from "./game-reader.js";
import { alive, GameParticipation } from "./players/game-participation.js";
import { LocalPlayers, requireSocketId, requireUserId } from "./players/local-players.js";
import { GameSessionStore } from "./sessions/game-session-store.js";

/**
 * Maximum size of a connection's metadata, in bytes: enough for the longest socket id with every byte
 * escaped.
 */
const METADATA_MAX_BYTES = 2_048;

/**
 * Creates and starts a connection manager. Rejects with `options-invalid`, `unavailable`,
 * `layout-mismatch` or `server-id-taken`; everything that was started is then closed.
 */
export async function createConnectionManager(options: ConnectionManagerOptions = {}): Promise<ConnectionManager> {
  const manager = new GameConnectionManager(resolveConnectionManagerOptions(options));
  const { onWarning = (message) => process.emitWarning(message) } = options;
  for (const warning of manager.warnings) onWarning(warning);
  await manager.start();
  return manager;
}

class GameConnectionManager implements ConnectionManager {
  readonly warnings: readonly string[];
  readonly #options: ResolvedConnectionManagerOptions;
  readonly #node: Node;
  readonly #players: LocalPlayers;
  readonly #feeds: OpenGameFeeds;
  readonly #records: GameSessionStore;
  readonly #participation: GameParticipation;
  readonly #reader: GameReader;
  #cleanupTimer: NodeJS.Timeout | undefined;
  #cleaning: Promise<void> | undefined;
  #shutdown: Promise<void> | undefined;

  constructor(options: ResolvedConnectionManagerOptions) {
    this.#options = options;
    this.#players = new LocalPlayers(options.maxConnections);
    this.warnings = options.warnings;
    const { onError } = options;
    const node = createNode({
      ...(options.redisUrl === undefined ? {} : { redisUrl: options.redisUrl }),
      store: options.store,
      // The application's own store has these settings already.
      ...(options.store === undefined ? { prefix: options.prefix, roomRecordTtlMs: options.roomRecordTtlMs } : {}),
      serverId: options.serverInstance,
      host: options.host,
      port: options.port,
      heartbeatIntervalMs: options.heartbeatIntervalMs,
      leaseTtlMs: options.leaseTtlMs,
      staleConnectionTimeoutMs: options.staleConnectionTimeoutMs,
      cleanupIntervalMs: options.cleanupIntervalMs,
      connectionTtlMs: options.connectionTtlMs,
      offlineGraceMs: options.offlineGraceMs,
      onGap: options.onGap,
      onError,
      capacity: options.maxConnections,
      maxMetadataBytes: METADATA_MAX_BYTES,
      local: {
        toRoom: (room, bytes) => this.#onMessage(room, bytes),
        toConnection: () => false,
        toUser: () => 0,
      },
      onControl: (operation) => this.#onControl(operation),
      lastSeenOf: (connectionId) => this.#players.ofConnection(connectionId)?.lastSeen,
      // `cleanupStaleConnections` closes stale sockets, because the manager knows their ids.
      onStale: () => undefined,
      onRestored: async (lease) => {
        await this.#records.restore(lease);
        void this.#feeds.refresh();
      },
      onExpelled: () => void this.shutdown(),
    });
    this.#node = node;
    this.#records = new GameSessionStore({
      roomRecords: node.store.roomRecords,
      isPlayed: (gameId) => this.#players.hasPlayers(gameId),
      onError,
    });
    this.#feeds = new OpenGameFeeds((gameId) => ({
      interest: node.router,
      presence: node.presence,
      onRemoved: () => this.#onRemoved(gameId),
      onError,
    }));
    const [players, feeds, records] = [this.#players, this.#feeds, this.#records];
    this.#participation = new GameParticipation({ ...parts(node), players, feeds, records });
    this.#reader = new GameReader({ store: node.store, presence: node.presence, records, players });
  }

  get serverInstance(): string {
    return this.#node.serverId;
  }

  /** Whether the manager has been or is being shut down. */
  get isShutDown(): boolean {
    return this.#node.phase === "closing";
  }

  async start(): Promise<void> {
    await this.#node.start();
    this.#cleanupTimer = setInterval(() => {
      this.#cleaning ??= this.#cleanUp().finally(() => {
        this.#cleaning = undefined;
      });
    }, this.#options.cleanupIntervalMs);
    this.#cleanupTimer.unref();
  }

  async connect(userId: string, socketId: string): Promise<void> {
    this.#requireRunning();
    await this.#participation.connect(requireUserId(userId), requireSocketId(socketId));
  }

  async disconnect(userId: string, socketId: string, options: DisconnectOptions = {}): Promise<void> {
    const { signOff = false } = requireOptions(options, { signOff: true });
    const socket = this.#players.socket(requireUserId(userId), requireSocketId(socketId));
    // After a shutdown, every socket has been withdrawn already.
    if (socket === undefined || this.isShutDown) return;
    await this.#participation.disconnect(socket, signOff);
  }

  touch(userId: string, socketId: string): void {
    const socket = this.#players.socket(requireUserId(userId), requireSocketId(socketId));
    if (socket !== undefined) socket.lastSeen = Date.now();
  }

  async joinGame(userId: string, gameId: string): Promise<void> {
    this.#requireRunning();
    await this.#participation.join(requireUserId(userId), requireGameId(gameId));
  }

  async leaveGame(userId: string, gameId: string): Promise<void> {
    this.#requireRunning();
    await this.#participation.leave(requireUserId(userId), requireGameId(gameId));
  }

  async spectateGame(userId: string, gameId: string): Promise<void> {
    this.#requireRunning();
    await this.#participation.spectate(requireUserId(userId), requireGameId(gameId));
  }

  async stopSpectating(userId: string, gameId: string): Promise<void> {
    this.#requireRunning();
    await this.#participation.stopSpectating(requireUserId(userId), requireGameId(gameId));
  }

  async getOnlinePlayers(gameId: string): Promise<string[]> {
    this.#requireRunning();
    return [...(await this.#reader.players(requireGameId(gameId)))];
  }

  async getSpectators(gameId: string): Promise<string[]> {
    this.#requireRunning();
    return this.#reader.spectators(requireGameId(gameId));
  }

  async getSession(gameId: string): Promise<GameSession | undefined> {
    this.#requireRunning();
    return this.#reader.session(requireGameId(gameId));
  }

  async setGameState(gameId: string, state: GameState): Promise<void> {
    this.#requireRunning();
    requireGameId(gameId);
    if (!GAME_STATES.includes(state)) throw optionInvalid("state", `one of ${GAME_STATES.join(", ")}`);
    await this.#records.move(gameId, state);
    try {
      const bytes = this.#encode(gameId, { type: STATE_CHANGED, data: { state }, timestamp: Date.now() });
      await this.#node.router.toRoom(gameId, bytes);
    } catch (cause) {
      // Do not reject: the state has changed, and a caller that retried would get an error.
      this.#report(cause, "A game's new state could not be published.", "delivery");
    }
  }

  async broadcast(gameId: string, event: GameEvent): Promise<void> {
    this.#requireRunning();
    requireGameId(gameId);
    const bytes = this.#encode(gameId, event);
    if (carriesState(bytes)) {
      // Every server would take the event for the game's state, and would write that state if Redis
      // lost the record.
      throw new CmError("event-invalid", `${STATE_CHANGED} can't be published directly; use setGameState.`);
    }
    await Promise.all([this.#node.router.toRoom(gameId, bytes), this.#records.recordActivity(gameId)]);
    const player = typeof event.userId === "string" ? this.#players.get(event.userId) : undefined;
    if (player !== undefined) alive(player);
  }

  onGameEvent(gameId: string, handler: GameEventHandler): HandlerRegistration {
    this.#requireRunning();
    requireGameId(gameId);
    if (typeof handler !== "function") throw optionInvalid("handler", "a function");
    const feed = this.#feeds.open(gameId);
    feed.addHandler(handler);
    return Object.assign(() => this.offGameEvent(gameId, handler), { ready: feed.live });
  }

  offGameEvent(gameId: string, handler: GameEventHandler): void {
    const feed = this.#feeds.get(gameId);
    if (feed === undefined) return;
    feed.deleteHandler(handler);
    this.#feeds.release(gameId, feed);
  }

  async getStats(): Promise<ConnectionStats> {
    this.#requireRunning();
    return this.#reader.stats();
  }

  async getConnections(userId: string): Promise<PlayerConnection[]> {
    this.#requireRunning();
    return this.#reader.connections(requireUserId(userId));
  }

  async cleanupStaleConnections(): Promise<number> {
    this.#requireRunning();
    const before = Date.now() - this.#options.staleConnectionTimeoutMs;
    const stale = [...this.#players.sockets()].filter(({ lastSeen }) => lastSeen <= before);
    await Promise.all(
      stale.map(async (socket) => {
        const { userId, socketId } = socket;
        await this.#participation.disconnect(socket, true);
        this.#options.onStale({ userId, socketId });
      }),
    );
    const reaped = await this.#node.membership.reapExpired();
    await this.#participation.dismissStranded();
    await this.#records.refresh();
    return stale.length + reaped;
  }

  isReady(): boolean {
    return this.#node.isReady;
  }

  shutdown(): Promise<void> {
    this.#shutdown ??= this.#shutDown();
    return this.#shutdown;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }

  async #shutDown(): Promise<void> {
    clearInterval(this.#cleanupTimer);
    const withdrawn = this.#node.close();
    await this.#feeds.close();
    await withdrawn;
    await this.#cleaning;
  }

  /** Runs the clean-up for the timer. */
  async #cleanUp(): Promise<void> {
    try {
      await this.cleanupStaleConnections();
    } catch (cause) {
      if (isCmError(cause) && cause.code === "closed") return;
      this.#report(cause, "The clean-up failed.", "reaping");
    }
  }

  #encode(gameId: string, event: GameEvent): Uint8Array {
    const { maxEventBytes: maxBytes } = this.#options;
    return encodeGameEvent(event, { gameId, serverInstance: this.serverInstance, maxBytes });
  }

  #onMessage(room: string, bytes: Uint8Array): void {
    const state = stateIn(bytes);
    if (state !== undefined) this.#records.applyReportedState(room, state);
    this.#feeds.get(room)?.deliver(bytes);
  }

  async #onControl(operation: Parameters<ControlHandler>[0]): Promise<"done" | "not-found"> {
    if (operation.type !== "leave")
      throw new CmError("operation-unknown", "A games manager does not support this operation.");
    const socket = this.#players.ofConnection(operation.connectionId);
    if (socket === undefined) return "not-found";
    await this.#participation.leaveHere(socket.userId, operation.room);
    return "done";
  }

  #requireRunning(): void {
    const { phase } = this.#node;
    if (phase === "serving" || phase === "draining") return;
    throw new CmError("closed", "The manager was shut down, or was never started.");
  }

  #onRemoved(gameId: string): void {
    this.#participation.dismissSpectators(gameId).catch((cause: unknown) => {
      this.#report(cause, "Spectators of a game that has gone could not be dismissed.", "projection");
    });
  }

  #report(cause: unknown, message: string, stage: "delivery" | "reaping" | "projection"): void {
    this.#options.onError(toCmError(cause, "internal", message), { stage });
  }
}

function parts({ serverId, store, membership, router }: Node) {
  return { serverId, store, membership, router };
}
