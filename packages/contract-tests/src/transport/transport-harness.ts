import { type CmError, createConnectionIdSource, type FailureStage } from "@cm/protocol";
import type {
  Authentication,
  ConnectionHandler,
  TransportConnection,
  TransportOptions,
  TransportServer,
} from "@cm/transport";
import { expect, onTestFinished, vi } from "vitest";
import WebSocket from "ws";
import { RawClient, type RawClientOptions } from "./raw-client.js";

/** The events of a server's connections, in order. */
export interface Journal {
  /** Connections that were opened. */
  readonly opened: TransportConnection<string>[];
  /** Text frames from clients. */
  readonly frames: { readonly connection: TransportConnection<string>; readonly text: string }[];
  /** Connections that sent a binary frame, once per frame. */
  readonly binaries: TransportConnection<string>[];
  /** Connections that closed, with code and reason. */
  readonly closed: {
    readonly connection: TransportConnection<string>;
    readonly code: number;
    readonly reason: string;
  }[];
  /** Connections that responded to a ping, once per pong. */
  readonly pongs: TransportConnection<string>[];
  /** Errors passed to `onError`. */
  readonly errors: { readonly error: CmError; readonly stage: FailureStage }[];
}

/** Makes a server of the transport under test. */
export type CreateTransport = (options: TransportOptions<string>) => TransportServer<string>;

/** A running server and the events of its connections. */
export interface TestServer extends Journal {
  /** The server under test. */
  readonly server: TransportServer<string>;
  /** The port that the server listens on. */
  readonly port: number;
  /** Connects a `ws` client. Resolves with the client and the server's side of its connection. */
  readonly join: (user?: string) => Promise<TestClient>;
  /** Connects a raw client. Resolves with the client and the server's side of its connection. */
  readonly joinRaw: (
    options?: RawClientOptions,
  ) => Promise<{ raw: RawClient; connection: TransportConnection<string> }>;
}

/** A `ws` client with everything it received. */
export interface TestClient {
  /** The client's side. */
  readonly socket: WebSocket;
  /** The server's side. */
  readonly connection: TransportConnection<string>;
  /** Text frames received, in order. */
  readonly texts: string[];
  /** The close event of the client's side, once it was emitted. */
  readonly closes: { readonly code: number; readonly reason: string }[];
}

const SUBPROTOCOL_V1 = "test.v1";

/** Valid options, with a handler that records all events and then calls `react`. */
export function testOptions(
  overrides: Partial<TransportOptions<string>> = {},
  react: Partial<ConnectionHandler<string>> = {},
): {
  readonly options: TransportOptions<string>;
  readonly journal: Journal;
} {
  const journal: Journal = { opened: [], frames: [], binaries: [], closed: [], pongs: [], errors: [] };
  const ids = createConnectionIdSource({ serverId: "test" });
  const options: TransportOptions<string> = {
    port: 0,
    subprotocols: [SUBPROTOCOL_V1],
    // The query contains the user's name; the path becomes the connection's data.
    authenticate: (request) => ({
      userId: new URLSearchParams(request.query).get("user") ?? "anyone",
      data: request.path,
    }),
    nextConnectionId: () => ids.next(),
    handler: {
      open(connection) {
        journal.opened.push(connection);
        react.open?.(connection);
      },
      frame(connection, text) {
        journal.frames.push({ connection, text });
        return react.frame?.(connection, text);
      },
      binary(connection) {
        journal.binaries.push(connection);
        react.binary?.(connection);
      },
      closed(connection, code, reason) {
        journal.closed.push({ connection, code, reason });
        react.closed?.(connection, code, reason);
      },
      pong(connection) {
        journal.pongs.push(connection);
        react.pong?.(connection);
      },
    },
    onError: (error, { stage }) => void journal.errors.push({ error, stage }),
    closeTimeoutMs: 200,
    ...overrides,
  };
  return { options, journal };
}

/** Starts a server that is closed when the test ends. Resolves with the server and its events. */
export type StartServer = (
  overrides?: Partial<TransportOptions<string>>,
  react?: Partial<ConnectionHandler<string>>,
) => Promise<TestServer>;

/** Returns a function that starts servers of one transport. */
export function serverStarter(createTransport: CreateTransport): StartServer {
  return (overrides, react) => startServer(createTransport, overrides, react);
}

async function startServer(
  createTransport: CreateTransport,
  overrides: Partial<TransportOptions<string>> = {},
  react: Partial<ConnectionHandler<string>> = {},
): Promise<TestServer> {
  const { options, journal } = testOptions(overrides, react);
  const server = createTransport(options);
  const { port } = await server.start();
  onTestFinished(() => server.close());
  return {
    ...journal,
    server,
    port,
    async join(user = "anyone") {
      const before = journal.opened.length;
      const client = openClient(port, `/ws?user=${encodeURIComponent(user)}`);
      await vi.waitFor(() => {
        if (client.socket.readyState !== WebSocket.OPEN) throw new Error("The client is not open yet.");
      }, WAIT);
      const connection = journal.opened[before];
      if (connection === undefined) throw new Error("The server saw no connection.");
      return { ...client, connection };
    },
    async joinRaw(rawOptions) {
      const before = journal.opened.length;
      const raw = await RawClient.dial(port, rawOptions);
      onTestFinished(() => raw.destroy());
      await vi.waitFor(() => {
        if (raw.answer === undefined) throw new Error("The server has not answered yet.");
      }, WAIT);
      const connection = journal.opened[before];
      if (connection === undefined) throw new Error(`The server refused: ${raw.answer?.head}`);
      return { raw, connection };
    },
  };
}

/** Maximum time until a condition holds on a busy machine. */
export const WAIT = { timeout: 10_000, interval: 5 } as const;

/** Opens a `ws` client that records all received frames. */
export function openClient(
  port: number,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Omit<TestClient, "connection"> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, [SUBPROTOCOL_V1], { headers });
  const texts: string[] = [];
  const closes: { code: number; reason: string }[] = [];
  socket.on("message", (data, isBinary) => void texts.push(isBinary ? "(binary)" : String(data)));
  socket.on("close", (code, reason) => void closes.push({ code, reason: reason.toString() }));
  // A rejected or cut connection also emits a close event.
  socket.on("error", () => undefined);
  onTestFinished(() => socket.terminate());
  return { socket, texts, closes };
}

/** The bytes of a text frame's payload. */
export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** The status and body of the response to a client that was rejected. */
export async function refusal(
  port: number,
  options: RawClientOptions = {},
): Promise<{ status: number; body: unknown }> {
  const raw = await RawClient.dial(port, options);
  onTestFinished(() => raw.destroy());
  await vi.waitFor(() => expect(raw.ended).toBe(true), WAIT);
  return { status: raw.answer?.status ?? 0, body: JSON.parse(raw.leftoverText) };
}

/** A promise that is settled by the test. */
export function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (cause: unknown) => void } {
  let resolve: (value: T) => void = () => undefined;
  let reject: (cause: unknown) => void = () => undefined;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** The authentication of an accepted client. */
export const ANN: Authentication<string> = { userId: "ann", data: "data" };

/** Waits for a turn of the event loop, in which waiting messages are written. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
