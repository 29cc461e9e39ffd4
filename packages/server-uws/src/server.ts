import type { TemplatedApp } from "uWebSockets.js";
import { CmError } from "@cm/protocol";
import {
  Admissions,
  ConnectionTable,
  type DrainOptions,
  type FrameFault,
  HttpRoutes,
  type ListeningAddress,
  objectionTo,
  openFilesWarning,
  type TransportConnection,
  type TransportServer,
  type TransportStats,
} from "@cm/transport";
import { Backpressure, NATIVE_BACKPRESSURE_MAX } from "./backpressure.js";
import { type Listening, listen } from "./listening.js";
import { loadNative, type Native } from "./native.js";
import { type NativeConnection, type NativeSocket, type SocketData, topicOf } from "./native-connection.js";
import { copyRequest, replyDoor, writeReply } from "./native-request.js";
import { type ResolvedUwsServerOptions, resolveUwsServerOptions, type UwsServerOptions } from "./options.js";
import { publishToRoom } from "./room-publish.js";
import { Upgrades } from "./upgrade.js";

/** Counters of a server. */
export interface UwsServerStats extends TransportStats {
  /** WebSockets that the native library closed within their upgrade, by a fault of its own. Only grows. */
  readonly upgradesLost: number;
}

/**
 * A WebSocket server on uWebSockets.js. `start` loads the native library, and fails with
 * `native-load-failed` where it can't. With `sharePort`, a drain stops listening at once, since the
 * others on the port would take the newcomers.
 */
export interface UwsServer<U = unknown> extends TransportServer<U> {
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

class NativeServer<U> implements UwsServer<U> {
  readonly #options: ResolvedUwsServerOptions<U>;
  readonly #connections: ConnectionTable<U, NativeConnection<U>>;
  readonly #backpressure: Backpressure<U>;
  readonly #admissions: Admissions<U>;
  readonly #upgrades: Upgrades<U>;
  readonly #routes: HttpRoutes;
  #native: Native | undefined;
  #app: TemplatedApp | undefined;
  #listening: Listening | undefined;
  #accepting = true;
  #topics = 0;
  #memberships = 0;
  #starting: Promise<ListeningAddress> | undefined;
  #draining: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: ResolvedUwsServerOptions<U>) {
    this.#options = options;
    const connections = new Map<string, NativeConnection<U>>();
    this.#backpressure = new Backpressure(connections, options.maxBackpressureBytes);
    this.#connections = new ConnectionTable(options, this.#backpressure, connections);
    this.#admissions = new Admissions(options, connections);
    this.#upgrades = new Upgrades({
      admissions: this.#admissions,
      limit: this.#backpressure,
      opened: (connection, socket) => {
        connection.attach(socket);
        this.#connections.opened(connection);
      },
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
    this.#connections.start();
    // Stopped while it was starting: there was nothing to close then.
    if (!this.#accepting) this.#stopListening();
    return { host, port: listening.port };
  }

  #route(app: TemplatedApp): TemplatedApp {
    const { path, maxHeadBytes, maxFrameBytes, idleTimeoutMs } = this.#options;
    const connections = this.#connections;
    const of = (socket: NativeSocket<U>): NativeConnection<U> => socket.getUserData().connection;
    return app
      .ws<SocketData<U>>(path, {
        maxPayloadLength: maxFrameBytes * NATIVE_FRAME_FACTOR,
        maxBackpressure: NATIVE_BACKPRESSURE_MAX,
        idleTimeout: Math.ceil(idleTimeoutMs / 1000) + NATIVE_IDLE_MARGIN_SECONDS,
        sendPingsAutomatically: false,
        upgrade: (res, req, context) => this.#upgrades.handle(res, req, context),
        open: this.#upgrades.arrive,
        message: (socket, message, isBinary) =>
          connections.received(of(socket), message.byteLength, isBinary, () => Buffer.from(message).toString()),
        ping: (socket) => connections.seen(of(socket)),
        pong: (socket) => connections.pong(of(socket)),
        subscription: (_socket, _topic, count, before) => {
          if (before === 0) this.#topics += 1;
          if (count === 0) this.#topics -= 1;
          this.#memberships += count - before;
        },
        close: (socket, code, message) => {
          if (this.#upgrades.depart(socket)) return;
          const reason = Buffer.from(message).toString();
          // Reading the data is the one call that is still allowed.
          connections.closed(of(socket), code, reason, FAULTS[reason]);
        },
      })
      .any("/*", (res, req) => {
        const head = copyRequest(res, req);
        const fault = objectionTo(head, maxHeadBytes);
        if (fault !== undefined) writeReply(res, fault, { closeConnection: true });
        else if (head.facts.path !== path) this.#routes.handle(replyDoor(res), head);
        else writeReply(res, this.#admissions.plainRefusal(head), { closeConnection: true });
      });
  }

  toRoom(room: string, frame: Uint8Array, except: readonly string[]): void {
    const app = this.#app;
    if (app === undefined) return;
    this.#backpressure.publishing(frame);
    const members = app.numSubscribers(topicOf(room));
    const leftOut = publishToRoom(app, room, frame, except, this.#connections.byId);
    this.#backpressure.traffic.sent(frame.byteLength, members - leftOut);
  }

  toConnection(connectionId: string, frame: Uint8Array): boolean {
    return this.#connections.toConnection(connectionId, frame);
  }

  toUser(userId: string, frame: Uint8Array): number {
    return this.#connections.toUser(userId, frame);
  }

  connection(id: string): TransportConnection<U> | undefined {
    return this.#connections.byId.get(id);
  }

  connectionsOf(userId: string): TransportConnection<U>[] {
    return this.#connections.of(userId);
  }

  stats(): UwsServerStats {
    const admissions = this.#admissions;
    const own = {
      upgrading: admissions.pending,
      topics: this.#topics,
      memberships: this.#memberships,
      refused: admissions.refused(),
    };
    return { ...this.#connections.stats(own), upgradesLost: this.#upgrades.lost };
  }

  stopAccepting(): void {
    this.#accepting = false;
    this.#admissions.stopAccepting();
    this.#stopListening();
  }

  #stopListening(): void {
    if (this.#listening !== undefined) this.#native?.us_listen_socket_close(this.#listening.socket);
    this.#listening = undefined;
  }

  drain(options: DrainOptions): Promise<void> {
    this.#draining ??= this.#connections.drain(options, () => {
      this.#accepting = false;
      this.#admissions.stopAccepting();
      this.#admissions.refusePending();
      if (this.#options.sharePort) this.#stopListening();
    });
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
    this.#connections.endDrain();
    // A start that failed has unwound itself; its caller has the error.
    await Promise.allSettled([this.#starting]);
    this.#admissions.refusePending();
    await this.#connections.goodbye();
    this.#app?.close();
    this.#app = undefined;
    this.#connections.stop();
  }
}

/**
 * What the native layer gives as the reason where it ended a socket for a frame. It closes on
 * other breaches of RFC 6455, too, but gives no reason.
 */
const FAULTS: { readonly [reason in string]?: FrameFault } = {
  "Received too big message": "frame-too-large",
  "Received invalid UTF-8": "frame-invalid",
};
