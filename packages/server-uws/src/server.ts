import type { TemplatedApp } from "uWebSockets.js";
import { setTimeout as sleep } from "node:timers/promises";
import { CmError, ERROR_CODES, encodeServerFrame, type LocalDelivery, toCmError } from "@cm/protocol";
import { Backpressure, NATIVE_BACKPRESSURE_MAX } from "./backpressure.js";
import { type CloseKind, closeKindOf } from "./close-kinds.js";
import type { UwsConnection } from "./connection.js";
import { Drain, type DrainOptions, type DrainProgress } from "./drain.js";
import { writeReply } from "./http-reply.js";
import { copyRequest, objectionTo } from "./http-request.js";
import { HttpRoutes } from "./http-routes.js";
import { type Listening, listen } from "./listening.js";
import { type LiveConnection, type NativeSocket, type SocketData, topicOf } from "./live-connection.js";
import { Liveness } from "./liveness.js";
import { loadNative, type Native } from "./native.js";
import { openFilesWarning } from "./open-files.js";
import { type ResolvedUwsServerOptions, resolveUwsServerOptions, type UwsServerOptions } from "./options.js";
import { sayGoodbyes } from "./paced-close.js";
import { publishToRoom } from "./room-publish.js";
import { Tally } from "./tally.js";
import type { TrafficCounts } from "./traffic.js";
import { Upgrades } from "./upgrade.js";
import { UserIndex } from "./user-index.js";

/** Where a server listens. */
export interface ListeningAddress {
  readonly host: string;
  readonly port: number;
}

/** Counters of a server. Those in the second half only grow. */
export interface UwsServerStats {
  /** Open connections. */
  readonly connections: number;
  /** Upgrades that wait for `authenticate`. */
  readonly upgrading: number;
  /** Users with a connection here. */
  readonly users: number;
  /** Rooms with a member here. */
  readonly topics: number;
  /** Members of rooms here: a connection counts once for each room that it is in. */
  readonly memberships: number;
  /** Connections closed because they didn't read; each counts once. */
  readonly slowConsumersClosed: number;
  /** Bytes that had waited on slow consumers when they were cut. */
  readonly bytesDiscarded: number;
  /** Frames and bytes from and to clients. */
  readonly traffic: TrafficCounts;
  /** Connections closed because they sent a frame over `maxFrameBytes`. */
  readonly framesTooLarge: number;
  /** WebSockets that the native library closed within their upgrade, by a fault of its own. */
  readonly upgradesLost: number;
  /** Refused upgrades, by code. */
  readonly refused: Readonly<Record<string, number>>;
  /**
   * Connections that ended: by reason where this server closed them (`idle-timeout` among
   * the reasons), else by close code: 1006 where the socket just ended or broke RFC 6455,
   * `4xxx` for codes of a client's own.
   */
  readonly closed: Readonly<Record<string, number>>;
  /** Faulty frames and refused requests, by error code: the server's own and those that `UwsServerOptions.faults` was told. */
  readonly faults: Readonly<Record<string, number>>;
  /** How far the drain has come, once there is one. */
  readonly drain?: DrainProgress;
}

/** A WebSocket server on uWebSockets.js; also the router's way to the local sockets. */
export interface UwsServer<U = unknown> extends LocalDelivery, AsyncDisposable {
  /**
   * Loads the native library and listens. Fails with `native-load-failed`, `port-in-use`,
   * `options-invalid` (no address of this machine, or not permitted), `unavailable` (too many
   * open files) or, after `close`, `closed`. Every call returns the same promise.
   */
  start(): Promise<ListeningAddress>;
  /** Stops listening and refuses upgrades from now on; open connections stay. */
  stopAccepting(): void;
  /**
   * Refuses upgrades from now on, with `unavailable` (pending ones with `closed`), and
   * closes the open connections with `going-away` in waves: about as many at a time, in no order, every
   * tenth of a second or so, at least 20 a second. Meanwhile everything works on for those
   * who are left, and HTTP is answered, so that a balancer can see it; with `sharePort` the
   * server stops listening instead, since the others on the port would take the newcomers.
   * Resolves when everybody was told; `close` ends it, as does the signal. Every call
   * returns the first one's promise. Throws `options-invalid`.
   */
  drain(options: DrainOptions): Promise<void>;
  /**
   * Stops listening, refuses pending upgrades, closes every connection with `going-away`
   * in batches, and cuts what is left. Every call returns the same promise.
   */
  close(): Promise<void>;
  /** An open connection. */
  connection(id: string): UwsConnection<U> | undefined;
  /** The open connections of a user. */
  connectionsOf(userId: string): UwsConnection<U>[];
  stats(): UwsServerStats;
}

/** Makes a server. Nothing happens before `start()`. Throws `options-invalid`. */
export function createUwsServer<U>(options: UwsServerOptions<U>): UwsServer<U> {
  return new NativeServer(resolveUwsServerOptions(options));
}

/** A client that sends more than this many times the largest frame is cut off without an answer. */
const NATIVE_FRAME_FACTOR = 2;

/**
 * The native layer takes heads of any size that come in one read, and refuses others that are
 * over its own limit. With this much room for unusual spaces it refuses none that we would take.
 */
const NATIVE_HEAD_MARGIN_BYTES = 1024;

/**
 * The native idle timeout lies this far behind {@link Liveness}, which goes first though the
 * native layer cuts up to 4 s early. It is left to end sockets whose client never answers a
 * close frame: they are no connections any more.
 */
const NATIVE_IDLE_MARGIN_SECONDS = 12;

/** Between two waves of goodbyes of a server that closes, and the fewest in one. */
const CLOSE_PACE = { waveMs: 20, waveMin: 50 } as const;

/** How long written close frames may take to leave before their sockets are cut. */
const FLUSH_GRACE_MS = 250;

class NativeServer<U> implements UwsServer<U> {
  readonly #options: ResolvedUwsServerOptions<U>;
  readonly #connections = new Map<string, LiveConnection<U>>();
  readonly #users = new UserIndex<LiveConnection<U>>();
  readonly #backpressure: Backpressure<U>;
  readonly #liveness: Liveness<U>;
  readonly #upgrades: Upgrades<U>;
  readonly #routes: HttpRoutes;
  #native: Native | undefined;
  #app: TemplatedApp | undefined;
  #listening: Listening | undefined;
  #accepting = true;
  #topics = 0;
  #subscriptions = 0;
  #framesTooLarge = 0;
  readonly #closes = new Tally<CloseKind>();
  #lastClosedAt = Number.NEGATIVE_INFINITY;
  #starting: Promise<ListeningAddress> | undefined;
  readonly #closed = new AbortController();
  #drain: Drain<U> | undefined;
  #draining: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: ResolvedUwsServerOptions<U>) {
    this.#options = options;
    this.#backpressure = new Backpressure(this.#connections, options.maxBackpressureBytes);
    this.#liveness = new Liveness(options);
    this.#upgrades = new Upgrades(options, {
      connections: this.#connections,
      limit: this.#backpressure,
      opened: (connection, socket) => this.#onOpen(connection, socket),
    });
    this.#routes = new HttpRoutes(options.routes, options.onError);
  }

  start(): Promise<ListeningAddress> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  async #start(): Promise<ListeningAddress> {
    if (!this.#accepting) throw new CmError("closed", "The server was closed.");
    const { host, port, sharePort, maxHeadBytes, maxConnections, onError } = this.#options;
    const native = loadNative(maxHeadBytes + NATIVE_HEAD_MARGIN_BYTES);
    const app = this.#route(native.App());
    const warning = await openFilesWarning(maxConnections);
    if (warning !== undefined) onError(warning, { stage: "listening" });
    let listening: Listening;
    try {
      listening = await listen(native, app, { host, port, sharePort });
    } catch (cause) {
      app.close();
      throw cause;
    }
    this.#native = native;
    this.#app = app;
    this.#listening = listening;
    this.#liveness.start();
    // Stopped while it was starting: there was nothing to close then.
    if (!this.#accepting) this.#stopListening();
    return { host, port: listening.port };
  }

  #route(app: TemplatedApp): TemplatedApp {
    const { path, maxHeadBytes, maxFrameBytes, idleTimeoutMs } = this.#options;
    return app
      .ws<SocketData<U>>(path, {
        maxPayloadLength: maxFrameBytes * NATIVE_FRAME_FACTOR,
        maxBackpressure: NATIVE_BACKPRESSURE_MAX,
        idleTimeout: Math.ceil(idleTimeoutMs / 1000) + NATIVE_IDLE_MARGIN_SECONDS,
        sendPingsAutomatically: false,
        upgrade: (res, req, context) => this.#upgrades.handle(res, req, context),
        open: this.#upgrades.arrive,
        message: (socket, message, isBinary) => this.#onMessage(socket, message, isBinary),
        ping: (socket) => this.#seen(socket.getUserData().connection),
        pong: (socket) => this.#onPong(socket),
        subscription: (_socket, _topic, count, before) => {
          if (before === 0) this.#topics += 1;
          if (count === 0) this.#topics -= 1;
          this.#subscriptions += count - before;
        },
        close: (socket, code, message) => this.#onClose(socket, code, message),
      })
      .any("/*", (res, req) => {
        const copy = copyRequest(res, req);
        const fault = objectionTo(copy, maxHeadBytes);
        if (fault !== undefined) writeReply(res, fault, { closeConnection: true });
        else if (copy.facts.path === path) this.#upgrades.refusePlain(res);
        else this.#routes.handle(res, copy);
      });
  }

  toRoom(room: string, frame: Uint8Array, except: readonly string[]): void {
    const app = this.#app;
    if (app === undefined) return;
    this.#backpressure.publishing(frame);
    const members = app.numSubscribers(topicOf(room));
    const leftOut = publishToRoom(app, room, frame, except, this.#connections);
    this.#backpressure.traffic.sent(frame.byteLength, members - leftOut);
  }

  toConnection(connectionId: string, frame: Uint8Array): boolean {
    return this.#connections.get(connectionId)?.send(frame) ?? false;
  }

  toUser(userId: string, frame: Uint8Array): number {
    return this.#users.count(userId, (connection) => connection.send(frame));
  }

  connection(id: string): UwsConnection<U> | undefined {
    return this.#connections.get(id);
  }

  connectionsOf(userId: string): UwsConnection<U>[] {
    return this.#users.of(userId);
  }

  stats(): UwsServerStats {
    return {
      connections: this.#connections.size,
      upgrading: this.#upgrades.pending,
      users: this.#users.size,
      topics: this.#topics,
      memberships: this.#subscriptions,
      slowConsumersClosed: this.#backpressure.closed,
      bytesDiscarded: this.#backpressure.discardedBytes,
      traffic: this.#backpressure.traffic.counts(),
      framesTooLarge: this.#framesTooLarge,
      upgradesLost: this.#upgrades.lost,
      refused: this.#upgrades.refused(),
      closed: this.#closes.counts(),
      faults: this.#options.faults.counts(),
      ...(this.#drain === undefined ? {} : { drain: this.#drain.progress }),
    };
  }

  stopAccepting(): void {
    this.#accepting = false;
    this.#upgrades.stopAccepting();
    this.#stopListening();
  }

  #stopListening(): void {
    if (this.#listening !== undefined) this.#native?.us_listen_socket_close(this.#listening.socket);
    this.#listening = undefined;
  }

  drain(options: DrainOptions): Promise<void> {
    if (this.#draining !== undefined) return this.#draining;
    const drain = new Drain(this.#connections.values(), options, this.#closed.signal);
    this.#drain = drain;
    this.#accepting = false;
    this.#upgrades.stopAccepting();
    this.#upgrades.refusePending();
    if (this.#options.sharePort) this.#stopListening();
    this.#draining = drain.run();
    return this.#draining;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.stopAccepting();
    this.#closed.abort();
    // A start that failed has unwound itself; its caller has the error.
    await Promise.allSettled([this.#starting]);
    this.#upgrades.refusePending();
    const { closeTimeoutMs } = this.#options;
    if (closeTimeoutMs > 0) {
      await sayGoodbyes(this.#connections.values(), { overMs: closeTimeoutMs / 2, ...CLOSE_PACE });
      const graceMs = Math.min(FLUSH_GRACE_MS, closeTimeoutMs / 2);
      if (performance.now() - this.#lastClosedAt < graceMs) await sleep(graceMs);
    }
    this.#app?.close();
    this.#app = undefined;
    this.#liveness.stop();
  }

  #onOpen(connection: LiveConnection<U>, socket: NativeSocket<U>): void {
    connection.attach(socket);
    this.#connections.set(connection.id, connection);
    this.#users.add(connection.userId, connection);
    this.#liveness.add(connection);
    try {
      this.#options.handler.open(connection);
    } catch (cause) {
      this.#onHandlerFailure(connection, cause);
    }
  }

  #seen(connection: LiveConnection<U>): void {
    connection.lastSeenAt = Date.now();
    connection.heardAt = this.#liveness.now;
  }

  #onMessage(socket: NativeSocket<U>, message: ArrayBuffer, isBinary: boolean): void {
    const { connection } = socket.getUserData();
    // One read may hold frames that follow the one whose handler closed the connection.
    if (!connection.open) return;
    this.#seen(connection);
    this.#backpressure.traffic.received(message.byteLength);
    try {
      if (message.byteLength > this.#options.maxFrameBytes) this.#refuseFrame(connection);
      else if (isBinary) this.#options.handler.binary(connection);
      else this.#options.handler.frame(connection, Buffer.from(message).toString());
    } catch (cause) {
      this.#onHandlerFailure(connection, cause);
    }
  }

  #refuseFrame(connection: LiveConnection<U>): void {
    this.#countTooLarge();
    const { meaning, retryable } = ERROR_CODES["frame-too-large"];
    connection.send(encodeServerFrame({ type: "error", code: "frame-too-large", message: meaning, retryable }));
    connection.close("protocol-error", "frame-too-large");
  }

  #onPong(socket: NativeSocket<U>): void {
    const { connection } = socket.getUserData();
    this.#seen(connection);
    try {
      this.#options.handler.pong?.(connection);
    } catch (cause) {
      this.#onHandlerFailure(connection, cause);
    }
  }

  #onClose(socket: NativeSocket<U>, code: number, message: ArrayBuffer): void {
    if (this.#upgrades.depart(socket)) return;
    // The one call that is still allowed.
    const { connection } = socket.getUserData();
    const ending = connection.detach();
    this.#connections.delete(connection.id);
    this.#users.remove(connection.userId, connection);
    this.#liveness.remove(connection);
    this.#lastClosedAt = performance.now();
    const reason = ending?.reason ?? Buffer.from(message).toString();
    this.#closes.add(ending?.kind ?? closeKindOf(code));
    if (ending === undefined && reason === TOO_BIG) this.#countTooLarge();
    if (ending === undefined && reason === INVALID_UTF8) this.#options.faults.count("frame-invalid");
    try {
      this.#options.handler.closed(connection, ending?.code ?? code, reason);
    } catch (cause) {
      this.#onHandlerFailure(connection, cause);
    }
  }

  #countTooLarge(): void {
    this.#framesTooLarge += 1;
    this.#options.faults.count("frame-too-large");
  }

  #onHandlerFailure(connection: LiveConnection<U>, cause: unknown): void {
    this.#options.onError(toCmError(cause, "internal", "A connection handler failed."), { stage: "handler" });
    connection.close("internal");
  }
}

/** What the native layer gives as the reason where a frame was over its own limit. */
const TOO_BIG = "Received too big message";

/** The same where a text frame was no UTF-8. It closes on other breaches of RFC 6455, too, but gives no reason. */
const INVALID_UTF8 = "Received invalid UTF-8";
