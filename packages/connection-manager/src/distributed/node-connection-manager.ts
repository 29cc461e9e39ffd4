import { createNode, type Node } from "@cm/node";
import {
  CmError,
  type LocalConnectionManager,
  requireConnectionId,
  requireName,
  requireServerId,
  type ServerInfo,
  toCmError,
} from "@cm/protocol";
import { optionInvalid, requireOptions } from "@cm/protocol/options";
import type {
  AnswerTime,
  Confirmation,
  ConfirmedOutcome,
  ControlHandler,
  ControlRequest,
  RouteOutcome,
} from "@cm/router";
import { requireSocketsRoom } from "../games/game-names.js";
import { authorize } from "./authorization.js";
import { closePaced } from "./close-batches.js";
import type {
  BroadcastOptions,
  ConfirmOptions,
  DistributedConnectionManager,
  DistributedStats,
  ServerRecord,
} from "./distributed-connection-manager.js";
import {
  type DistributedConnectionManagerOptions,
  type ResolvedDistributedOptions,
  resolveDistributedOptions,
} from "./distributed-options.js";
import { LeaveNotices } from "./leave-notices.js";
import { messageFrame } from "./message-frame.js";
import { RegisteredConnections } from "./registered-connections.js";

/**
 * Creates and starts a server's manager over its local sockets. Rejects with `options-invalid`,
 * `server-id-taken`, `layout-mismatch` or `unavailable`; everything that was started is then closed. If
 * the lease expires later and another process takes the server id, the manager reports this to
 * `onError` (stage `lease`) and shuts down.
 */
export async function createDistributedConnectionManager<S>(
  localManager: LocalConnectionManager<S>,
  options: DistributedConnectionManagerOptions<S> = {},
): Promise<DistributedConnectionManager<S>> {
  const manager = new NodeConnectionManager(requireLocalManager(localManager), resolveDistributedOptions(options));
  await manager.start();
  return manager;
}

/** Maximum time for another server to carry out a request. */
const CONTROL: AnswerTime = { timeoutMs: 5_000 };

class NodeConnectionManager<S> implements DistributedConnectionManager<S> {
  readonly serverId: string;
  readonly #local: LocalConnectionManager<S>;
  readonly #options: ResolvedDistributedOptions<S>;
  readonly #node: Node;
  readonly #connections: RegisteredConnections<S>;
  /** `undefined` if departures are not announced. */
  readonly #leaveNotices: LeaveNotices | undefined;
  #shutdown: Promise<void> | undefined;

  constructor(local: LocalConnectionManager<S>, options: ResolvedDistributedOptions<S>) {
    this.#local = local;
    this.#options = options;
    this.#node = createNode({
      ...(options.redisUrl === undefined ? {} : { redisUrl: options.redisUrl }),
      store: options.store,
      prefix: options.prefix,
      serverId: options.serverId,
      host: options.serverHost,
      port: options.serverPort,
      onExpelled: () => void this.shutdown(),
      heartbeatIntervalMs: options.heartbeatIntervalMs,
      leaseTtlMs: options.heartbeatTtlMs,
      staleConnectionTimeoutMs: options.staleConnectionTimeoutMs,
      cleanupIntervalMs: options.cleanupIntervalMs,
      onGap: options.onGap,
      onError: options.onError,
      local,
      lastSeenOf: (connectionId) => local.lastSeenOf(connectionId),
      onStale: (connectionId) => this.#inBackground(this.#connections.remove(connectionId, "stale")),
      onRoomEntered: (room) => this.#leaveNotices?.enter(room),
      onRoomExited: (room) => this.#leaveNotices?.exit(room),
      onControl: (operation) => this.#carryOut(operation),
    });
    const { serverId, membership, presence } = this.#node;
    this.serverId = serverId;
    this.#leaveNotices = options.announceDepartures
      ? new LeaveNotices({ presence, local, onError: options.onError })
      : undefined;
    this.#connections = new RegisteredConnections({
      local,
      membership,
      onFailure: (work) => this.#inBackground(work),
    });
  }

  start(): Promise<void> {
    return this.#node.start();
  }

  async registerConnection(socket: S, userId: string, authToken?: string): Promise<string> {
    this.#requireOpen();
    if ((typeof socket !== "object" && typeof socket !== "function") || socket === null) {
      throw optionInvalid("socket", "an open socket");
    }
    requireName(userId, "user");
    await authorize(this.#options.verifyToken, authToken, userId, socket);
    this.#requireOpen();
    return this.#connections.register(socket, userId);
  }

  async joinRoom(connectionId: string, roomId: string): Promise<void> {
    this.#requireOpen();
    requireSocketsRoom(roomId);
    if (this.#isLocal(connectionId)) return this.#connections.join(connectionId, roomId);
    if (await this.#ask(connectionId, { type: "join", room: roomId })) return;
    throw new CmError("not-found", "There is no such connection.");
  }

  async leaveRoom(connectionId: string, roomId: string): Promise<void> {
    requireSocketsRoom(roomId);
    const isLocal = this.#isLocal(connectionId);
    if (this.#shutdown !== undefined) return;
    if (isLocal) await this.#connections.leave(connectionId, roomId);
    else await this.#ask(connectionId, { type: "leave", room: roomId });
  }

  async broadcastToRoom(roomId: string, message: unknown, options: BroadcastOptions = {}): Promise<void> {
    this.#requireOpen();
    const { except } = requireOptions(options, { except: true });
    requireSocketsRoom(roomId);
    if (except !== undefined && !(Array.isArray(except) && except.every((id) => typeof id === "string"))) {
      throw new CmError("options-invalid", "except must be a list of connection ids.", {
        details: { field: "except" },
      });
    }
    await this.#node.router.toRoom(roomId, this.#frame(message), except);
  }

  sendToConnection(connectionId: string, message: unknown): Promise<RouteOutcome>;
  sendToConnection(connectionId: string, message: unknown, options: Confirmation): Promise<ConfirmedOutcome>;
  async sendToConnection(
    connectionId: string,
    message: unknown,
    options: ConfirmOptions = {},
  ): Promise<RouteOutcome | ConfirmedOutcome> {
    this.#requireOpen();
    const { confirmMs } = requireOptions(options, { confirmMs: true });
    const { router } = this.#node;
    const frame = this.#frame(message);
    return confirmMs === undefined
      ? router.toConnection(connectionId, frame)
      : router.toConnection(connectionId, frame, { confirmMs });
  }

  sendToUser(userId: string, message: unknown): Promise<RouteOutcome>;
  sendToUser(userId: string, message: unknown, options: Confirmation): Promise<ConfirmedOutcome>;
  async sendToUser(
    userId: string,
    message: unknown,
    options: ConfirmOptions = {},
  ): Promise<RouteOutcome | ConfirmedOutcome> {
    this.#requireOpen();
    const { confirmMs } = requireOptions(options, { confirmMs: true });
    const { router } = this.#node;
    const frame = this.#frame(message);
    return confirmMs === undefined ? router.toUser(userId, frame) : router.toUser(userId, frame, { confirmMs });
  }

  async removeConnection(connectionId: string): Promise<void> {
    const isLocal = this.#isLocal(connectionId);
    if (this.#shutdown !== undefined) return;
    if (isLocal) await this.#connections.remove(connectionId);
    else await this.#ask(connectionId, { type: "disconnect", reason: "terminated" });
  }

  async getDistributedStats(): Promise<DistributedStats> {
    this.#requireOpen();
    const { servers, counts } = this.#node.store;
    const [{ living }, totalConnections, totalRooms] = await Promise.all([
      servers.snapshot(),
      counts.of("connections"),
      counts.of("rooms"),
    ]);
    const serverStats = living.map((server) => this.#record(server));
    return {
      totalConnections,
      totalRooms,
      activeServers: serverStats.length,
      localConnections: this.#connections.size,
      serverStats,
    };
  }

  async getActiveServers(): Promise<ServerRecord[]> {
    this.#requireOpen();
    return (await this.#node.store.servers.snapshot()).living.map((server) => this.#record(server));
  }

  isReady(): boolean {
    return this.#shutdown === undefined && this.#node.isReady;
  }

  async handleServerFailure(serverId: string): Promise<number> {
    this.#requireOpen();
    requireServerId(serverId);
    const { living } = await this.#node.store.servers.snapshot();
    if (serverId === this.serverId || living.some((server) => server.serverId === serverId)) {
      throw new CmError("server-alive", `Server ${serverId} is alive: its lease has not expired.`);
    }
    this.#node.router.serverLost(serverId);
    return (await this.#node.membership.reap(serverId)) ?? 0;
  }

  shutdown(): Promise<void> {
    this.#shutdown ??= this.#close();
    return this.#shutdown;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }

  async #close(): Promise<void> {
    // The sockets that close now are not announced to each other.
    this.#leaveNotices?.close();
    await closePaced(this.#connections.close(), this.#local);
    await this.#node.close();
  }

  /** Carries out another server's request about a connection of this server. */
  async #carryOut(operation: Parameters<ControlHandler>[0]): Promise<"done" | "not-found"> {
    if (operation.type === "drain")
      throw new CmError("operation-unknown", "This server does not support drain requests from other servers.");
    const { connectionId } = operation;
    if (this.#shutdown !== undefined || !this.#connections.has(connectionId)) return "not-found";
    if (operation.type === "disconnect") await this.#connections.remove(connectionId, operation.reason);
    else if (operation.type === "join") await this.#connections.join(connectionId, requireSocketsRoom(operation.room));
    else await this.#connections.leave(connectionId, operation.room);
    return "done";
  }

  /** Sends a request to the connection's server. Resolves with whether that server knew the connection. */
  async #ask(connectionId: string, request: ControlRequest): Promise<boolean> {
    const outcome = await this.#node.router.control(connectionId, request, CONTROL);
    if (outcome === "timeout") throw new CmError("timeout", "The connection's server has not answered in time.");
    return outcome === "done";
  }

  #isLocal(connectionId: string): boolean {
    return requireConnectionId(connectionId).serverId === this.serverId;
  }

  #frame(message: unknown): Uint8Array {
    return messageFrame(message, this.#options.maxMessageBytes);
  }

  #record({ serverId, host, port, connections, lastHeartbeat }: ServerInfo): ServerRecord {
    const activeConnections = serverId === this.serverId ? this.#connections.size : connections;
    return { serverId, host, port, activeConnections, lastHeartbeat };
  }

  #inBackground(work: Promise<unknown>): void {
    work.catch((cause: unknown) => {
      const error = toCmError(cause, "internal", "A background task of the connection manager failed.");
      this.#options.onError(error, { stage: "store" });
    });
  }

  #requireOpen(): void {
    if (this.#shutdown !== undefined) throw new CmError("closed", "The connection manager was shut down.");
  }
}

const LOCAL_METHODS = ["add", "remove", "enter", "exit", "lastSeenOf", "toRoom", "toConnection", "toUser"] as const;

function requireLocalManager<S>(local: LocalConnectionManager<S>): LocalConnectionManager<S> {
  const isOne =
    typeof local === "object" && local !== null && LOCAL_METHODS.every((m) => typeof local[m] === "function");
  if (isOne) return local;
  throw new CmError("options-invalid", `localManager must have the methods ${LOCAL_METHODS.join(", ")}.`, {
    details: { field: "localManager" },
  });
}
