import {
  CLOSE_CODES,
  type CloseReason,
  CmError,
  type LocalConnection,
  type LocalConnectionManager,
  type OnError,
} from "@cm/protocol";
import { callGuarded, requireFunction, requireMembers, requireOptions } from "@cm/protocol/options";
import { LINGER_MAX_BYTES, SlowConsumers, UserIndex, whole } from "@cm/transport";
import type { WebSocket } from "ws";
import { RoomMembers } from "./room-members.js";

/** Options of {@link createLocalConnectionManager}. */
export interface WsLocalConnectionOptions {
  /** Maximum number of connections. 1 to 1,000,000; default 10,000. */
  readonly maxConnections?: number | undefined;
  /**
   * Maximum number of bytes queued for one socket; beyond it the socket is cut as a slow consumer. Checked with
   * every frame. 64 KiB to 256 MiB; default 1 MiB.
   */
  readonly maxBackpressureBytes?: number | undefined;
  /**
   * Called with errors that no caller receives: the errors with which an `onClosed` callback throws or
   * rejects, with the stage `handler`. A client that violates RFC 6455 is disconnected, which is not reported. Must not throw. Default:
   * each error is emitted as a process warning.
   */
  readonly onError?: OnError | undefined;
}

/** Counters of a manager. The last two only grow. */
export interface WsLocalConnectionStats {
  /** Number of connections that are managed. */
  readonly connections: number;
  /** Number of users with a connection here. */
  readonly users: number;
  /** Connections closed because they did not read; each counts once. */
  readonly slowConsumersClosed: number;
  /** Bytes that were queued for slow consumers when they were cut. */
  readonly bytesDiscarded: number;
}

/** Manages sockets of your own `WebSocketServer` by connection id. */
export interface WsLocalConnectionManager extends LocalConnectionManager<WebSocket> {
  /** Counters of the manager. */
  stats(): WsLocalConnectionStats;
}

/**
 * Creates a manager for sockets of your own `WebSocketServer`, for a distributed connection manager. Throws
 * `options-invalid`.
 */
export function createLocalConnectionManager(options: WsLocalConnectionOptions = {}): WsLocalConnectionManager {
  requireOptions(options, { maxConnections: true, maxBackpressureBytes: true, onError: true });
  const { maxConnections = 10_000, maxBackpressureBytes = 1024 * 1024 } = options;
  const { onError = (error: CmError) => process.emitWarning(error) } = options;
  return new SocketConnections(
    requireFunction("onError", onError),
    whole("maxConnections", maxConnections, 1, 1_000_000),
    new SlowConsumers(whole("maxBackpressureBytes", maxBackpressureBytes, 64 * 1024, 256 * 1024 * 1024), 0),
  );
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

  constructor(onError: OnError, maxConnections: number, slow: SlowConsumers) {
    this.#onError = onError;
    this.#maxConnections = maxConnections;
    this.#slow = slow;
  }

  get size(): number {
    return this.#connections.size;
  }

  add({ connectionId, userId, socket, onClosed }: LocalConnection<WebSocket>): void {
    requireMembers("socket", socket, ["on", "off", "send", "close", "terminate"]);
    if (socket.readyState !== socket.OPEN) throw new CmError("closed", "The socket is not open.");
    if (this.#sockets.has(socket) || this.#connections.has(connectionId)) {
      throw new CmError("id-invalid", "The socket or its connection id is already registered.");
    }
    if (this.#connections.size >= this.#maxConnections) {
      throw new CmError("capacity-reached", `This server accepts at most ${this.#maxConnections} connections.`, {
        details: { max: this.#maxConnections },
      });
    }
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

  stats(): WsLocalConnectionStats {
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
