import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { CLIENT_PROTOCOL_VERSION, createConnectionIdSource, SUBPROTOCOL } from "@cm/protocol";
import { vi } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";

/** Maximum time for which a test waits for the client under test, in milliseconds; enough for a busy machine. */
export const WAIT = { timeout: 10_000, interval: 5 };

/** A frame of the client: a JSON object with a type. */
export interface ClientFrameSeen {
  /** The frame's type, such as `join`. */
  readonly type: string;
  /** The client's identifier of the request, if it has one. */
  readonly ref?: string | number;
  /** The other fields, as the client sent them. */
  readonly [field: string]: unknown;
}

/** The limits of `welcome`; those of a gateway with its defaults. */
const LIMITS = {
  maxFrameBytes: 16_384,
  maxRooms: 100,
  maxRequestsPerSecond: 100,
  idleTimeoutMs: 120_000,
  maxRecoveredMessages: 1_000,
  maxRecoveredBytes: 524_288,
};

/** Answers a frame of a client. Called for every frame that can be read. */
export type Script = (connection: ScriptedConnection, frame: ClientFrameSeen) => void;

/** One connection of the client under test, seen from the server. */
export class ScriptedConnection {
  /** The time of the upgrade, by `performance.now()`. */
  readonly openedAt = performance.now();
  /** The subprotocols that the client offered. */
  readonly offered: readonly string[];
  /** The frames that the client sent, in order. */
  readonly frames: ClientFrameSeen[] = [];
  /** Frames that are binary, not JSON, or no object with a type. */
  readonly unreadable: string[] = [];
  /** How often the client has answered a WebSocket ping. */
  pongs = 0;
  /** How the connection ended; `undefined` while it is open. */
  ended: { readonly code: number; readonly at: number } | undefined;
  readonly #socket: WebSocket;

  constructor(socket: WebSocket, request: IncomingMessage, script: Script) {
    this.#socket = socket;
    this.offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
    socket.on("pong", () => this.pongs++);
    socket.on("error", () => undefined);
    socket.on("close", (code) => {
      this.ended ??= { code, at: performance.now() };
    });
    socket.on("message", (bytes, isBinary) => {
      const frame = isBinary ? undefined : readFrame(String(bytes));
      if (frame === undefined) {
        this.unreadable.push(String(bytes));
        return;
      }
      this.frames.push(frame);
      script(this, frame);
    });
  }

  /** The frames of one type, in order. */
  of(type: string): ClientFrameSeen[] {
    return this.frames.filter((frame) => frame.type === type);
  }

  /** Waits for the first `count` frames of a type. */
  until(type: string, count = 1): Promise<ClientFrameSeen[]> {
    return vi.waitFor(() => {
      const found = this.of(type);
      if (found.length < count) {
        throw new Error(`The client sent ${found.length} of ${count} frames of type ${type}.`);
      }
      return found;
    }, WAIT);
  }

  /** Sends a frame: an object as JSON, a text as it is. */
  send(frame: object | string): void {
    this.#socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
  }

  /** Sends a WebSocket ping. */
  ping(): void {
    this.#socket.ping();
  }

  /** Closes the connection with a code. 1006 stands for a connection that breaks without a close frame. */
  end(code: number): void {
    this.ended ??= { code, at: performance.now() };
    if (code === 1006) this.#socket.terminate();
    else this.#socket.close(code);
  }
}

function readFrame(text: string): ClientFrameSeen | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    return "type" in value && typeof value.type === "string" ? (value as ClientFrameSeen) : undefined;
  } catch {
    return undefined;
  }
}

const ids = createConnectionIdSource({ serverId: "scripted" });

/** The `welcome` that answers a `hello`. */
export function welcome(hello: ClientFrameSeen): object {
  const answer = { type: "welcome", version: CLIENT_PROTOCOL_VERSION, connection: ids.next(), user: "ada" };
  return { ...answer, limits: LIMITS, ...(hello.ref === undefined ? {} : { ref: hello.ref }) };
}

/** Answers every request with success, as a gateway does for rooms that are not recoverable. */
export const answerAll: Script = (connection, frame) => {
  if (frame.type === "hello") connection.send(welcome(frame));
  else if (frame.type === "ping") connection.send({ ...frame, type: "pong" });
  else if (frame.ref !== undefined) connection.send({ type: "ack", ref: frame.ref });
};

/** A server on the loopback address that follows a script, and records what its clients do. */
export class ScriptedServer {
  /** The connections, in the order of their upgrades. */
  readonly connections: ScriptedConnection[] = [];
  /** The times of all upgrades, refused ones as well, by `performance.now()`. */
  readonly attempts: number[] = [];
  /** Statuses with which the next upgrades are refused, one after the other. */
  readonly refusals: number[] = [];
  /** The script that answers all further frames, on all connections. Default: {@link answerAll}. */
  script: Script = answerAll;
  readonly #http: Server;

  private constructor(http: Server) {
    this.#http = http;
    const sockets = new WebSocketServer({
      noServer: true,
      handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
    });
    http.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
      this.attempts.push(performance.now());
      const status = this.refusals.shift();
      if (status !== undefined) {
        const body = '{"code":"unavailable","message":"No."}';
        socket.end(`HTTP/1.1 ${status} No\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
        return;
      }
      sockets.handleUpgrade(request, socket, head, (webSocket) => {
        this.connections.push(new ScriptedConnection(webSocket, request, (...args) => this.script(...args)));
      });
    });
  }

  /** Starts a server on a free port. */
  static start(): Promise<ScriptedServer> {
    const http = createServer();
    return new Promise((resolve) => {
      http.listen(0, "127.0.0.1", () => resolve(new ScriptedServer(http)));
    });
  }

  /** The URL for clients. */
  get url(): string {
    // A server that listens on a TCP port has such an address.
    const { port } = this.#http.address() as AddressInfo;
    return `ws://127.0.0.1:${port}/ws?user=ada`;
  }

  /** Waits for the connection with this index. */
  connection(index: number): Promise<ScriptedConnection> {
    return vi.waitFor(() => {
      const found = this.connections[index];
      if (found === undefined)
        throw new Error(`The client opened ${this.connections.length} of ${index + 1} connections.`);
      return found;
    }, WAIT);
  }

  /** Ends all connections, and stops listening. */
  close(): Promise<void> {
    for (const connection of this.connections) connection.end(1006);
    return new Promise((resolve) => {
      this.#http.close(() => resolve());
      this.#http.closeAllConnections();
    });
  }
}
