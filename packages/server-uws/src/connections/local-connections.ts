import type { TemplatedApp, WebSocket, WebSocketBehavior } from "uWebSockets.js";
import {
  type CloseReason,
  CmError,
  type LocalConnection,
  type LocalConnectionManager,
  type OnError,
} from "@cm/protocol";
import { callGuarded, optionInvalid } from "@cm/protocol/options";
import {
  type Ending,
  type LocalConnectionOptions,
  type LocalConnectionStats,
  type ResolvedLocalConnectionOptions,
  requireAddable,
  resolveLocalConnectionOptions,
  UserIndex,
} from "@cm/transport";
import { publishToTopic } from "../rooms/room-publish.js";
import { topicOf } from "../rooms/room-topics.js";
import { Backpressure, NATIVE_BACKPRESSURE_MAX } from "./backpressure.js";
import { NativeConnection } from "./native-connection.js";

/** Options of {@link createLocalConnectionManager}. Queued bytes are checked as described for `UwsServerOptions`. */
export interface UwsLocalConnectionOptions extends LocalConnectionOptions {
  /** The App that the sockets belong to, with or without SSL. */
  readonly app: TemplatedApp;
}

/** Manages plain uWebSockets.js sockets of your own App by connection id. */
export interface UwsLocalConnectionManager<U> extends LocalConnectionManager<WebSocket<U>> {
  /**
   * Returns the behavior for a route whose sockets are managed here: the given behavior, with handlers that also
   * record when a socket opens, receives something and closes. Only sockets of such routes can be added.
   * `maxBackpressure` is set too high to be reached, because the native limit drops messages; the manager closes
   * the socket before it misses one. Your `close` receives the code that the manager closed the socket with.
   */
  behavior(behavior: WebSocketBehavior<U>): WebSocketBehavior<U>;
  /** Counters of the manager. */
  stats(): LocalConnectionStats;
}

/**
 * Creates a manager for sockets of your own App, for a distributed connection manager. Its rooms are native
 * topics that begin with `cm:room:`, so use one manager per App. Throws `options-invalid`.
 */
export function createLocalConnectionManager<U>(options: UwsLocalConnectionOptions): UwsLocalConnectionManager<U> {
  const resolved = resolveLocalConnectionOptions(options, ["app"]);
  const { app } = options;
  // Depending on the build, the native App is a function or an object.
  if (typeof app?.publish !== "function") throw optionInvalid("app", "a uWebSockets.js App");
  return new AppConnections(app, resolved);
}

/** A connection and the callback for its close. */
interface Held {
  readonly live: NativeConnection<undefined>;
  readonly onClosed: () => void;
}

class AppConnections<U> implements UwsLocalConnectionManager<U> {
  readonly #app: TemplatedApp;
  readonly #maxConnections: number;
  readonly #onError: OnError;
  readonly #connections = new Map<string, NativeConnection<undefined>>();
  readonly #users = new UserIndex<NativeConnection<undefined>>();
  readonly #backpressure: Backpressure<undefined>;
  /**
   * All open sockets of the routes. The value is the socket's connection, or `undefined` if the socket was not
   * added, or was removed.
   */
  readonly #sockets = new Map<WebSocket<U>, Held | undefined>();
  /** The socket of each added connection: the inverse of `#sockets`. */
  readonly #socketOf = new Map<NativeConnection<undefined>, WebSocket<U>>();

  constructor(app: TemplatedApp, options: ResolvedLocalConnectionOptions) {
    const { maxConnections, maxBackpressureBytes, onError } = options;
    this.#app = app;
    this.#onError = onError;
    this.#maxConnections = maxConnections;
    this.#backpressure = new Backpressure(this.#connections, maxBackpressureBytes, 0);
  }

  get size(): number {
    return this.#connections.size;
  }

  behavior(behavior: WebSocketBehavior<U>): WebSocketBehavior<U> {
    return {
      ...behavior,
      maxBackpressure: NATIVE_BACKPRESSURE_MAX,
      open: (socket) => {
        this.#sockets.set(socket, undefined);
        return behavior.open?.(socket);
      },
      message: (socket, message, isBinary) => {
        this.#seen(socket);
        return behavior.message?.(socket, message, isBinary);
      },
      ping: (socket, message) => {
        this.#seen(socket);
        behavior.ping?.(socket, message);
      },
      pong: (socket, message) => {
        this.#seen(socket);
        behavior.pong?.(socket, message);
      },
      close: (socket, code, message) => {
        const ending = this.#closed(socket);
        if (ending === undefined) behavior.close?.(socket, code, message);
        else behavior.close?.(socket, ending.code, bufferOf(ending.reason));
      },
    };
  }

  add({ connectionId, userId, socket, onClosed }: LocalConnection<WebSocket<U>>): void {
    if (!this.#sockets.has(socket)) {
      throw new CmError("closed", "The socket is not open, or its route does not have the behavior of this manager.");
    }
    const isRegistered = this.#sockets.get(socket) !== undefined || this.#connections.has(connectionId);
    requireAddable(isRegistered, this.#connections.size, this.#maxConnections);
    const live = new NativeConnection(connectionId, { userId, data: undefined }, "", this.#backpressure, undefined);
    live.attach(socket);
    this.#sockets.set(socket, { live, onClosed });
    this.#socketOf.set(live, socket);
    this.#connections.set(connectionId, live);
    this.#users.add(userId, live);
  }

  remove(connectionId: string, reason?: CloseReason): void {
    const live = this.#connections.get(connectionId);
    const socket = live && this.#socketOf.get(live);
    if (live === undefined || socket === undefined) return;
    this.#forget(live);
    live.leaveAll();
    if (reason === undefined) {
      this.#sockets.set(socket, undefined);
      live.detach();
      return;
    }
    // Replace the callback before closing: the close event is emitted within the call, and must not call the
    // `onClosed` of a removed connection.
    this.#sockets.set(socket, { live, onClosed: () => undefined });
    live.close(reason);
  }

  enter(connectionId: string, room: string): void {
    this.#connections.get(connectionId)?.enter(room);
  }

  exit(connectionId: string, room: string): void {
    this.#connections.get(connectionId)?.leave(room);
  }

  lastSeenOf(connectionId: string): number | undefined {
    return this.#connections.get(connectionId)?.lastSeenAt;
  }

  toRoom(room: string, frame: Uint8Array, except: readonly string[]): void {
    this.#backpressure.publishing(frame, 0);
    publishToTopic(this.#app, topicOf(room), frame, except, this.#connections);
  }

  toConnection(connectionId: string, frame: Uint8Array): boolean {
    return this.#connections.get(connectionId)?.send(frame) ?? false;
  }

  toUser(userId: string, frame: Uint8Array): number {
    return this.#users.count(userId, (live) => live.send(frame));
  }

  stats(): LocalConnectionStats {
    return {
      connections: this.#connections.size,
      users: this.#users.size,
      slowConsumersClosed: this.#backpressure.closed,
      bytesDiscarded: this.#backpressure.discardedBytes,
    };
  }

  #seen(socket: WebSocket<U>): void {
    const held = this.#sockets.get(socket);
    if (held !== undefined) held.live.lastSeenAt = Date.now();
  }

  /** Handles the close event. Returns how the connection ended if this side ended it. */
  #closed(socket: WebSocket<U>): Ending | undefined {
    const held = this.#sockets.get(socket);
    this.#sockets.delete(socket);
    if (held === undefined) return undefined;
    const ending = held.live.detach();
    this.#forget(held.live);
    callGuarded("onClosed", held.onClosed, this.#onError, undefined);
    return ending;
  }

  #forget(live: NativeConnection<undefined>): void {
    this.#connections.delete(live.id);
    this.#socketOf.delete(live);
    this.#users.remove(live.userId, live);
  }
}

function bufferOf(text: string): ArrayBuffer {
  const bytes = new TextEncoder().encode(text);
  return bytes.buffer;
}
