import type { TemplatedApp } from "uWebSockets.js";
import {
  AcceptPause,
  BaseTransport,
  type FrameFaultCode,
  type ListeningAddress,
  objectionTo,
  type RoomFrame,
  type TransportServer,
  type TransportStats,
} from "@cm/transport";
import { Backpressure, NATIVE_BACKPRESSURE_MAX } from "./connections/backpressure.js";
import type { NativeConnection, NativeSocket, SocketData } from "./connections/native-connection.js";
import { type Listening, listen } from "./listening/listen-socket.js";
import { loadNative, type Native } from "./native-library.js";
import { type ResolvedUwsServerOptions, resolveUwsServerOptions, type UwsServerOptions } from "./options.js";
import { copyRequest, httpExchange, writeReply } from "./requests/native-request.js";
import { Upgrades } from "./requests/upgrade-handler.js";
import { RoomLanes } from "./rooms/room-lanes.js";
import { publishToTopic } from "./rooms/room-publish.js";
import { topicOf } from "./rooms/room-topics.js";

/** Counters of a server. */
export interface UwsServerStats extends TransportStats {
  /** Number of WebSockets that the native library closed during their upgrade, because of a bug. Only grows. */
  readonly upgradesLost: number;
}

/**
 * A WebSocket server on uWebSockets.js. `start` loads the native library, and rejects with `native-load-failed`
 * if that fails. With `sharePort`, a drain stops listening at once, because the other processes on the port
 * take the new connections.
 */
export interface UwsServer<U = unknown> extends TransportServer<U> {
  /** Counters of the server. */
  stats(): UwsServerStats;
}

/** Creates a server. Nothing happens before `start()`. Throws `options-invalid`. */
export function createUwsServer<U>(options: UwsServerOptions<U>): UwsServer<U> {
  return new NativeServer(resolveUwsServerOptions(options));
}

/**
 * The native layer cuts a client off, without an error frame, for a frame of more than this many times
 * `maxFrameBytes`.
 */
const NATIVE_FRAME_FACTOR = 2;

/**
 * Added to the native limit for heads, in bytes. The native layer accepts heads of any size that arrive in one
 * read, and refuses other heads that exceed its limit. Its limit also counts optional spaces, which this package
 * does not count. With this margin the native layer refuses no head that this package accepts, unless the head
 * has very many such spaces.
 */
const NATIVE_HEAD_MARGIN_BYTES = 1024;

/**
 * The native idle timeout is this much longer than `idleTimeoutMs`, so that the transport cuts idle connections
 * first, even though the native layer may act 4 s early. The native timeout only ends sockets whose client never
 * responds to a close frame; such sockets no longer count as connections.
 */
const NATIVE_IDLE_MARGIN_SECONDS = 12;

class NativeServer<U> extends BaseTransport<U, NativeConnection<U>> implements UwsServer<U> {
  readonly #options: ResolvedUwsServerOptions<U>;
  readonly #backpressure: Backpressure<U>;
  readonly #upgrades: Upgrades<U>;
  readonly #lanes: RoomLanes<NativeConnection<U>>;
  #native: Native | undefined;
  #app: TemplatedApp | undefined;
  #listening: Listening | undefined;

  constructor(options: ResolvedUwsServerOptions<U>) {
    const connections = new Map<string, NativeConnection<U>>();
    const backpressure = new Backpressure(connections, options.maxBackpressureBytes, options.maxTotalBackpressureBytes);
    super(options, backpressure, connections);
    this.#options = options;
    this.#backpressure = backpressure;
    this.#lanes = new RoomLanes(this.fanOut);
    this.#upgrades = new Upgrades({
      admissions: this.admissions,
      limit: backpressure,
      trustedProxies: options.trustedProxies,
      lanes: this.#lanes,
      opened: (connection, socket) => {
        connection.attach(socket);
        this.connections.opened(connection);
      },
    });
  }

  protected override async listen(): Promise<ListeningAddress> {
    const { host, port, sharePort, maxHeadBytes } = this.#options;
    const native = loadNative(maxHeadBytes + NATIVE_HEAD_MARGIN_BYTES);
    const app = this.#route(native.App());
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
    this.acceptPause = new AcceptPause({
      stopListening: () => this.#closeListening(),
      listenAgain: async () => {
        this.#listening = await listen(native, app, { host, port: listening.port, sharePort });
      },
      onError: (error) => this.#options.onError(error, { stage: "listening" }),
    });
    return { host, port: listening.port };
  }

  #route(app: TemplatedApp): TemplatedApp {
    const { path, maxHeadBytes, maxFrameBytes, idleTimeoutMs, trustedProxies } = this.#options;
    const { connections } = this;
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
        // The native layer has sent the pong already, and ignores whether it could be written.
        ping: (socket, payload) => connections.ping(of(socket), payload.byteLength),
        pong: (socket) => connections.pong(of(socket)),
        close: (socket, code, message) => {
          if (this.#upgrades.depart(socket)) return;
          const reason = Buffer.from(message).toString();
          // From the close event on, `getUserData` is the only method of the socket that may be called.
          connections.closed(of(socket), code, reason, FAULTS[reason]);
        },
      })
      .any("/*", (res, req) => {
        const head = copyRequest(res, req, trustedProxies);
        const fault = objectionTo(head, maxHeadBytes);
        if (fault !== undefined) writeReply(res, fault, { closeConnection: true });
        else if (head.facts.path !== path) this.routes.handle(httpExchange(res), head);
        else writeReply(res, this.admissions.plainRefusal(head), { closeConnection: true });
      });
  }

  protected override membersIn(room: string, lane: number): number {
    const members = lane === 0 ? this.#lanes.membersOf(room) : undefined;
    if (members !== undefined) return members;
    const direct = lane === 0 ? this.#lanes.directMembers(room) : undefined;
    if (direct === undefined) return this.#app?.numSubscribers(topicOf(room, lane)) ?? 0;
    return direct.reduce((count, member) => (member.open ? count + 1 : count), 0);
  }

  protected override publish(room: string, lane: number, frames: readonly RoomFrame[]): void {
    const direct = lane === 0 ? this.#lanes.directMembers(room) : undefined;
    const [only] = frames;
    if (direct !== undefined && only !== undefined && frames.length === 1) {
      this.#deliver(direct, only);
      return;
    }
    if (direct !== undefined) this.#lanes.addTopic(room);
    this.#publishToTopic(room, lane, frames);
  }

  /** Sends a frame to the members of a room that has no topic, at the end of the turn. */
  #deliver(members: readonly NativeConnection<U>[], { bytes, except }: RoomFrame): void {
    const copy = Buffer.from(bytes);
    let got = 0;
    for (const member of members) {
      if (!member.open || except.includes(member.id)) continue;
      member.deliver(copy);
      got++;
    }
    this.#backpressure.traffic.sent(bytes.byteLength, got);
    this.#backpressure.grew(bytes.byteLength * got);
  }

  #publishToTopic(room: string, lane: number, frames: readonly RoomFrame[]): void {
    const app = this.#app;
    if (app === undefined) return;
    const topic = topicOf(room, lane);
    const { traffic } = this.#backpressure;
    let written = 0;
    const { byId } = this.connections;
    let open = byId.size;
    let members = this.membersIn(room, lane);
    for (const { bytes, except } of frames) {
      this.#backpressure.publishing(bytes, members);
      // Count again only if the check, or the frame before, has closed connections.
      if (byId.size !== open) members = this.membersIn(room, lane);
      open = byId.size;
      const got = members - publishToTopic(app, topic, bytes, except, byId);
      traffic.sent(bytes.byteLength, got);
      written = Math.max(written, got);
    }
    traffic.wrote(written);
  }

  override stats(): UwsServerStats {
    return { ...super.stats(), upgradesLost: this.#upgrades.lost };
  }

  protected override roomStats() {
    return { topics: this.#lanes.roomCount, memberships: this.#lanes.memberships };
  }

  protected override stopListening(): void {
    this.acceptPause?.end();
    this.#closeListening();
  }

  #closeListening(): void {
    if (this.#listening !== undefined) this.#native?.us_listen_socket_close(this.#listening.socket);
    this.#listening = undefined;
  }

  protected override onDrain(): void {
    if (this.#options.sharePort) this.stopListening();
  }

  protected override release(): void {
    this.#app?.close();
    this.#app = undefined;
  }
}

/**
 * The reasons that the native layer gives if it ended a socket because of a frame. It also ends sockets because
 * of other violations of RFC 6455, but then gives no reason.
 */
const FAULTS: { readonly [reason in string]?: FrameFaultCode } = {
  "Received too big message": "frame-too-large",
  "Received invalid UTF-8": "frame-invalid",
};
