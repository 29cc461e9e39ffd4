import {
  CLOSE_CODES,
  type CloseReason,
  CmError,
  type LocalConnection,
  type LocalConnectionManager,
  type OnError,
} from "@cm/protocol";
import { callGuarded, requireMembers } from "@cm/protocol/options";
import {
  LINGER_MAX_BYTES,
  type LocalConnectionOptions,
  type LocalConnectionStats,
  type ResolvedLocalConnectionOptions,
  requireAddable,
  resolveLocalConnectionOptions,
  SlowConsumers,
  UserIndex,
} from "@cm/transport";
import type { WebSocket } from "ws";
import { RoomMembers } from "./room-members.js";

/**
 * Options of {@link createLocalConnectionManager}. Queued bytes are checked with every frame. A client that violates
 * RFC 6455 is disconnected, which is not reported to `onError`.
 */
export type WsLocalConnectionOptions = LocalConnectionOptions;

/** Manages sockets of your own `WebSocketServer` by connection id. */
export interface WsLocalConnectionManager extends LocalConnectionManager<WebSocket> {
  /** Counters of the manager. */
  stats(): LocalConnectionStats;
}

/**
 * Creates a manager for sockets of your own `WebSocketServer`, for a distributed connection manager. Throws
 * `options-invalid`.
 */
export function createLocalConnectionManager(options: WsLocalConnectionOptions = {}): WsLocalConnectionManager {
  return new SocketConnections(resolveLocalConnectionOptions(options));
}

/** A socket that was added. */
interface Held {
  readonly userId: string;
  readonly socket: WebSocket;
  lastSeenAt: number;
  /** Removes the listeners from the socket. */
  readonly release: () => void;
}

function ignore(): void {}

/** The events of a socket that something arrived from its client. */
const ARRIVALS = ["message", "ping", "pong"] as const;

class SocketConnections implements WsLocalConnectionManager {
  readonly #onError: OnError;
  readonly #maxConnections: number;
  readonly #slow: SlowConsumers;
  readonly #connections = new Map<string, Held>();
  readonly #sockets = new WeakSet<WebSocket>();
  readonly #rooms = new RoomMembers<Held>();
  readonly #users = new UserIndex<Held>();

  constructor({ maxConnections, maxBackpressureBytes, onError }: ResolvedLocalConnectionOptions) {
    this.#onError = onError;
    this.#maxConnections = maxConnections;
    this.#slow = new SlowConsumers(maxBackpressureBytes, 0);
  }

  get size(): number {
    return this.#connections.size;
  }

  add({ connectionId, userId, socket, onClosed }: LocalConnection<WebSocket>): void {
    requireMembers("socket", socket, ["on", "off", "send", "close", "terminate"]);
    if (socket.readyState !== socket.OPEN) throw new CmError("closed", "The socket is not open.");
    const isRegistered = this.#sockets.has(socket) || this.#connections.has(connectionId);
    requireAddable(isRegistered, this.#connections.size, this.#maxConnections);
    const seen = (): void => {
      held.lastSeenAt = Date.now();
    };
    const closed = (): void => {
      this.#forget(connectionId, held);
      callGuarded("onClosed", onClosed, this.#onError, undefined);
    };
    const release = (): void => {
      for (const event of ARRIVALS) socket.off(event, seen);
      socket.off("close", closed);
    };
    const held: Held = { userId, socket, lastSeenAt: Date.now(), release };
    for (const event of ARRIVALS) socket.on(event, seen);
    socket.on("close", closed);
    // Ignore the `error` event of a frame that violates RFC 6455: `ws` closes the socket itself, but without a
    // listener the event would end the process.
    if (!socket.listeners("error").includes(ignore)) socket.on("error", ignore);
    this.#connections.set(connectionId, held);
    this.#sockets.add(socket);
    this.#users.add(userId, held);
  }

  remove(connectionId: string, reason?: CloseReason): void {
    const held = this.#connections.get(connectionId);
    if (held === undefined) return;
    this.#forget(connectionId, held);
    if (reason === undefined) return;
    if (held.socket.bufferedAmount > LINGER_MAX_BYTES) held.socket.terminate();
    else held.socket.close(CLOSE_CODES[reason], reason);
  }

  enter(connectionId: string, room: string): void {
    const held = this.#connections.get(connectionId);
    if (held !== undefined) this.#rooms.enter(held, room);
  }

  exit(connectionId: string, room: string): void {
    const held = this.#connections.get(connectionId);
    if (held !== undefined) this.#rooms.leave(held, room);
  }

  lastSeenOf(connectionId: string): number | undefined {
    return this.#connections.get(connectionId)?.lastSeenAt;
  }

  toRoom(room: string, frame: Uint8Array, except: readonly string[]): void {
    const left = new Set(except.map((connectionId) => this.#connections.get(connectionId)));
    let data: Buffer | undefined;
    for (const held of this.#rooms.of(room)) {
      if (left.has(held)) continue;
      // The frame's bytes are only valid during the call: make one copy for all receivers.
      data ??= Buffer.from(frame);
      this.#send(held, data);
    }
  }

  toConnection(connectionId: string, frame: Uint8Array): boolean {
    const held = this.#connections.get(connectionId);
    return held !== undefined && this.#send(held, Buffer.from(frame));
  }

  toUser(userId: string, frame: Uint8Array): number {
    const data = Buffer.from(frame);
    return this.#users.count(userId, (held) => this.#send(held, data));
  }

  stats(): LocalConnectionStats {
    return {
      connections: this.#connections.size,
      users: this.#users.size,
      slowConsumersClosed: this.#slow.closed,
      bytesDiscarded: this.#slow.discardedBytes,
    };
  }

  #send({ socket }: Held, data: Buffer): boolean {
    if (socket.readyState !== socket.OPEN) return false;
    socket.send(data, { binary: false });
    const waiting = socket.bufferedAmount;
    if (waiting <= this.#slow.maxBytes) return true;
    this.#slow.exceeded(waiting);
    // Cut the socket, because a connection must not miss a frame. A close frame would wait in the queue after the
    // bytes that the client does not read.
    socket.terminate();
    return false;
  }

  #forget(connectionId: string, held: Held): void {
    this.#connections.delete(connectionId);
    this.#sockets.delete(held.socket);
    held.release();
    this.#users.remove(held.userId, held);
    this.#rooms.leaveAll(held);
  }
}
