import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { CmError } from "@cm/protocol";
import {
  AcceptPause,
  BaseTransport,
  copyNodeRequest,
  type FrameFaultCode,
  headTooLarge,
  jsonRefusal,
  type ListeningAddress,
  listenFailure,
  nodeExchange,
  objectionTo,
  type PendingUpgrade,
  type RequestHead,
  type RoomFrame,
  SlowConsumers,
  type TransportServer,
} from "@cm/transport";
import type { WebSocket, WebSocketServer } from "ws";
import { loadWs } from "./load-ws.js";
import { handshakeFault, refuseOn } from "./node-http.js";
import {
  type NodeServer,
  type ResolvedWsServerOptions,
  resolveWsServerOptions,
  type WsServerOptions,
} from "./options.js";
import { ProxyHeaders } from "./proxy-protocol.js";
import { RoomLanes } from "./room-lanes.js";
import { textFrame } from "./text-frame.js";
import { TurnWrites } from "./turn-writes.js";
import { UnreadResponses } from "./unread-responses.js";
import { type ConnectionContext, WsConnection } from "./ws-connection.js";

/**
 * A WebSocket server on `ws`. With the option `server`, `start` attaches the transport to that HTTP server and
 * resolves without waiting for it to listen, with port 0 if it does not listen yet; `close` does not close that
 * HTTP server.
 */
export type WsServer<U = unknown> = TransportServer<U>;

/** Creates a server. Nothing happens before `start()`. Throws `options-invalid`. */
export function createWsServer<U>(options: WsServerOptions<U>): WsServer<U> {
  return new NodeTransport(resolveWsServerOptions(options));
}

/**
 * `ws` ends the connection of a client, without an error frame, for a frame of more than this many times
 * `maxFrameBytes`.
 */
const FRAME_FACTOR = 2;

/**
 * Added to the limit for heads that is passed to Node.js, in bytes. Node.js counts the bytes of a head
 * differently. With this margin Node.js refuses no head that this package accepts.
 */
const HEAD_MARGIN_BYTES = 1024;

/** Maximum time for a PROXY header to arrive, and after it for the head of a request, in milliseconds. */
const HEAD_TIMEOUT_MS = 10_000;
/** Interval at which Node.js checks the time for the head of a request, in milliseconds. */
const HEAD_CHECK_MS = 1_000;

/**
 * Maximum time for the response to a close frame, in milliseconds. A socket that waits for the response no
 * longer counts as a connection.
 */
const CLOSE_TIMEOUT_MS = 10_000;

/** RFC 6455: the key is 16 bytes in base64. */
const KEY = /^[+/0-9A-Za-z]{22}==$/;

class NodeTransport<U> extends BaseTransport<U, WsConnection<U>> implements WsServer<U> {
  readonly #options: ResolvedWsServerOptions<U>;
  readonly #slow: SlowConsumers;
  readonly #context: ConnectionContext<U>;
  readonly #rooms: RoomLanes<WsConnection<U>>;
  /** Performs the handshakes. Created by `listen`. */
  #upgrader: WebSocketServer | undefined;
  /** All sockets until they have ended, including those that have been sent a close frame. */
  readonly #sockets = new Set<WebSocket>();
  readonly #onUpgrade = (request: IncomingMessage, stream: Duplex, rest: Buffer): void =>
    this.#upgrade(request, stream, rest);
  readonly #proxyHeaders: ProxyHeaders;
  #chosen = "";
  #server: NodeServer | undefined;

  constructor(options: ResolvedWsServerOptions<U>) {
    const slow = new SlowConsumers(options.maxBackpressureBytes, options.maxTotalBackpressureBytes);
    super(options, slow);
    this.#options = options;
    this.#slow = slow;
    this.#proxyHeaders = new ProxyHeaders(options.trustedProxies, HEAD_TIMEOUT_MS);
    this.#rooms = new RoomLanes(this.fanOut);
    this.#context = {
      rooms: this.#rooms,
      writes: new TurnWrites(() => slow.traffic.wrote(1)),
      limit: slow,
      ended: (connection) => this.connections.closed(connection, 1006, ""),
    };
  }

  protected override async listen(): Promise<ListeningAddress> {
    const { server, maxFrameBytes } = this.#options;
    const { WebSocketServer } = await loadWs();
    // This server does not listen; it only performs the handshakes.
    this.#upgrader = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: maxFrameBytes * FRAME_FACTOR,
      closeTimeout: CLOSE_TIMEOUT_MS,
      handleProtocols: () => this.#chosen,
      // Turn off the limit of `ws`, which would end the connection of a client that reads but has sent more than
      // 60 pings at once. The connection table limits pings, and the bytes of pongs that wait.
      maxPendingAutoPongs: 0,
    } as ConstructorParameters<typeof WebSocketServer>[0]);
    return server === undefined ? this.#listenAlone() : this.#attach(server);
  }

  #attach(server: NodeServer): ListeningAddress {
    this.#server = server;
    server.on("upgrade", this.#onUpgrade);
    return addressOf(server) ?? { host: this.#options.host, port: 0 };
  }

  async #listenAlone(): Promise<ListeningAddress> {
    const { host, port, path, maxHeadBytes } = this.#options;
    const server = createServer({
      maxHeaderSize: maxHeadBytes + HEAD_MARGIN_BYTES,
      headersTimeout: HEAD_TIMEOUT_MS,
      connectionsCheckingInterval: HEAD_CHECK_MS,
    });
    const unread = new UnreadResponses();
    server.on("request", (request, response) => {
      if (!unread.admit(request, response)) return;
      const head = this.#headOf(request);
      const exchange = nodeExchange(response);
      const fault = objectionTo(head, maxHeadBytes);
      if (fault !== undefined) exchange.write(fault, { closeConnection: true });
      else if (head.facts.path !== path) this.routes.handle(exchange, head);
      else exchange.write(this.admissions.plainRefusal(head), { closeConnection: true });
    });
    server.on("clientError", (error: NodeJS.ErrnoException, stream) => {
      // Node.js emits this event for errors that it finds before there is a request object, and when the client
      // has disconnected.
      if (!stream.writable) stream.destroy();
      else if (error.code === "HPE_HEADER_OVERFLOW") refuseOn(stream, headTooLarge(maxHeadBytes));
      else refuseOn(stream, jsonRefusal(400, "operation-unknown", "The request can't be read."));
    });
    server.on("upgrade", this.#onUpgrade);
    this.#proxyHeaders.readFor(server);
    await listen(server, host, port);
    this.#server = server;
    const address = { host, port: addressOf(server)?.port ?? port };
    const onError = (error: CmError): void => this.#options.onError(error, { stage: "listening" });
    // A failed accept affects only that client, not the process.
    server.on("error", (cause) => {
      if (server.listening)
        onError(new CmError("unavailable", "The server can't accept connections at the moment.", { cause }));
    });
    this.acceptPause = new AcceptPause({
      stopListening: () => void server.close(),
      listenAgain: () => listen(server, host, address.port),
      onError,
    });
    return address;
  }

  #headOf(request: IncomingMessage): RequestHead {
    return copyNodeRequest(request, this.#options.trustedProxies, () => this.#proxyHeaders.addressOf(request.socket));
  }

  #upgrade(request: IncomingMessage, stream: Duplex, rest: Buffer): void {
    const head = this.#headOf(request);
    if (head.facts.path !== this.#options.path) {
      // Another listener of the application's server may handle the path.
      if (this.#server?.listenerCount("upgrade") === 1) {
        refuseOn(stream, jsonRefusal(404, "not-found", "No route has this path."));
      }
      return;
    }
    const fault = handshakeFault(request);
    if (fault !== undefined) {
      refuseOn(stream, fault);
      return;
    }
    if (request.method !== "GET" || !KEY.test(head.facts.headers["sec-websocket-key"] ?? "")) {
      refuseOn(stream, this.admissions.plainRefusal(head));
      return;
    }
    let pending: PendingUpgrade | undefined;
    const leave = (): void => {
      stream.destroy();
      pending?.abandon();
    };
    // The listener for `readable` does nothing. It is added because the end of a stream without a reader is not
    // detected.
    const look = (): void => undefined;
    stream.on("readable", look).once("end", leave).once("close", leave).once("error", leave);
    const take = (): void => {
      stream.off("readable", look).off("end", leave).off("close", leave).off("error", leave);
    };
    pending = this.admissions.handle(head, {
      refuse: (reply) => {
        take();
        refuseOn(stream, reply);
      },
      accept: (connectionId, authentication, { subprotocol, remoteAddress }) => {
        take();
        this.#chosen = subprotocol;
        // `ws` calls the callback before `handleUpgrade` returns, or never if it refuses a request that passed the
        // checks here.
        this.#upgrader?.handleUpgrade(request, stream, rest, (socket) => {
          const sockets = { socket, stream };
          this.#opened(new WsConnection(connectionId, authentication, remoteAddress, sockets, this.#context), socket);
        });
      },
    });
  }

  #opened(connection: WsConnection<U>, socket: WebSocket): void {
    const { connections } = this;
    this.#sockets.add(socket);
    // Ignore the close of a connection that this side has ended: it has been handled already.
    const close = (code: number, reason: string, fault?: FrameFaultCode): void => {
      if (connections.byId.get(connection.id) === connection) connections.closed(connection, code, reason, fault);
    };
    socket.on("message", (data: Buffer, isBinary) =>
      connections.received(connection, data.byteLength, isBinary, () => data.toString()),
    );
    socket.on("ping", (payload: Buffer) => connections.ping(connection, payload.byteLength));
    socket.on("pong", () => connections.pong(connection));
    // The `error` event reports a violation of RFC 6455. `ws` closes the socket with a suitable code; the
    // connection counts as closed from now on.
    socket.on("error", (error: NodeJS.ErrnoException) => close(1006, error.message, FAULTS[error.code ?? ""]));
    socket.on("close", (code, reason) => {
      this.#sockets.delete(socket);
      close(code, reason.toString());
    });
    connections.opened(connection);
  }

  protected override membersIn(room: string, lane: number): number {
    return this.#rooms.count(room, lane);
  }

  protected override publish(room: string, lane: number, frames: readonly RoomFrame[]): void {
    const { traffic } = this.#slow;
    const wire = frames.map(({ bytes }) => textFrame(bytes));
    const [first] = wire;
    if (first === undefined) return;
    const all = wire.length === 1 ? first : Buffer.concat(wire);
    // Count all members, including the excluded ones, which are not known yet and are few.
    this.#slow.grew(all.byteLength * this.#rooms.count(room, lane));
    const excepted = new Set(frames.flatMap(({ except }) => except));
    let members = 0;
    for (const member of this.#rooms.of(room, lane)) {
      if (excepted.has(member.id)) {
        this.#writeSome(member, frames, wire);
      } else {
        member.write(all);
        members++;
      }
    }
    for (const { bytes } of frames) traffic.sent(bytes.byteLength, members);
  }

  /** Writes the frames that the member is not excluded from. */
  #writeSome(member: WsConnection<U>, frames: readonly RoomFrame[], wire: readonly Buffer[]): void {
    const { traffic } = this.#slow;
    const mine = wire.filter((_, index) => !frames[index]?.except.includes(member.id));
    if (mine.length === 0) return;
    for (const { bytes, except } of frames) if (!except.includes(member.id)) traffic.sent(bytes.byteLength, 1);
    for (const frame of mine) member.write(frame);
  }

  protected override roomStats() {
    return { topics: this.#rooms.roomCount, memberships: this.#rooms.memberships };
  }

  /**
   * Stops listening. A server that belongs to the application keeps listening, and its upgrades are refused.
   */
  protected override stopListening(): void {
    this.acceptPause?.end();
    if (this.#options.server === undefined) this.#server?.close();
  }

  protected override release(): void {
    this.#server?.off("upgrade", this.#onUpgrade);
    for (const socket of this.#sockets) socket.terminate();
    // The remaining connections have just been cut; notify the handler of their close now.
    for (const connection of [...this.connections.byId.values()]) this.connections.closed(connection, 1006, "");
    this.#proxyHeaders.end();
    if (this.#options.server === undefined && this.#server !== undefined) this.#server.closeAllConnections();
  }
}

/** The faults in frames that `ws` reports, by its error codes. */
const FAULTS: { readonly [code in string]?: FrameFaultCode } = {
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: "frame-too-large",
  WS_ERR_INVALID_UTF8: "frame-invalid",
};

/** Starts listening. Rejects with the error that `listenFailure` returns. */
function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => reject(listenFailure({ host, port }, error.code));
    server.once("error", failed);
    server.listen({ host, port, exclusive: true }, () => {
      server.off("error", failed);
      resolve();
    });
  });
}

function addressOf(server: NodeServer): ListeningAddress | undefined {
  const address: AddressInfo | string | null = server.address();
  return typeof address === "object" && address !== null ? { host: address.address, port: address.port } : undefined;
}
