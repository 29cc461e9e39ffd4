import { isIP } from "node:net";
import type { OnError } from "@cm/protocol";
import { requireOptions } from "@cm/protocol/options";
import type { Authentication, UpgradeRequest } from "../admission/authentication.js";
import type { TransportConnection } from "../connections/connection.js";
import { createFaultCounter, type FaultCounter } from "../counters/fault-counter.js";
import type { HttpReply } from "../http/http-reply.js";
import type { RequestFacts } from "../http/request-head.js";
import { TrustedProxies } from "../http/trusted-proxies.js";
import { ROOM_WINDOW_MAX_MS, type RoomWindow } from "../rooms/room-window.js";
import { type ResolvedSlowReaderOptions, resolveSlowReaders, type SlowReaderOptions } from "../rooms/slow-readers.js";
import { invalid, whole } from "./option-values.js";

/** What a path can be asked with. GET answers HEAD as well. */
export type RouteMethod = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";

/** A request for one of {@link TransportOptions.routes}, with its whole body. */
export interface RouteRequest extends RequestFacts {
  /** The method that it was asked with. */
  readonly method: RouteMethod;
  /** At most the route's `maxBodyBytes`; empty of GET and HEAD. */
  readonly body: Uint8Array;
}

/**
 * Answers requests for one path. A `CmError` that it throws becomes a problem document with its
 * code, such as 404 for `not-found`; anything else a 500 without details, which goes to `onError`.
 */
export type RouteHandler = (request: RouteRequest) => HttpReply | Promise<HttpReply>;

/** A handler that takes a body. */
export interface Route {
  /** The largest body, in bytes; a larger one is refused with 413. 0 to 16 MiB. */
  readonly maxBodyBytes: number;
  /** Answers the request. */
  readonly answer: RouteHandler;
}

/** Routes by path, then by method. */
export type RouteTable = ReadonlyMap<string, ReadonlyMap<string, Route>>;

/**
 * Hears what happens on the sockets. What a call throws goes to `onError` and closes
 * that connection with `internal`; nothing else is disturbed.
 */
export interface ConnectionHandler<U> {
  /** First call for a connection. It can be sent to already. */
  open(connection: TransportConnection<U>): void;
  /** A text frame of at most `maxFrameBytes`. */
  frame(connection: TransportConnection<U>, text: string): void;
  /** A binary frame came; its content is not handed on. */
  binary(connection: TransportConnection<U>): void;
  /**
   * Last call for a connection, exactly once for each that was opened. `send` gives
   * false from here on. `code` is what the server closed with, what the client sent,
   * or 1006 where the socket just ended.
   */
  closed(connection: TransportConnection<U>, code: number, reason: string): void;
  /** The client answered a ping. */
  pong?(connection: TransportConnection<U>): void;
}

/** What every transport takes. */
export interface TransportOptions<U> {
  /** Address or host name to listen on. Default "127.0.0.1". */
  readonly host?: string | undefined;
  /** 0 to 65,535; 0 takes any free one. */
  readonly port: number;
  /** Where WebSockets connect: a fixed path, without parameters. Default "/ws". */
  readonly path?: string | undefined;
  /** Subprotocols spoken here, best first; a client must offer one of them. At least one. */
  readonly subprotocols: readonly string[];
  /**
   * Origins (scheme, host and port, such as "https://example.com") that pages may
   * connect from. Requests without an Origin header don't come from a page and pass.
   * Default: any.
   */
  readonly allowedOrigins?: readonly string[] | undefined;
  /** The most open connections. 1 to 1,000,000; default 10,000. */
  readonly maxConnections?: number | undefined;
  /**
   * The most upgrades that wait for `authenticate` at a time; further ones are refused with
   * 503 and `unavailable`. They take no places of `maxConnections`, so that an `authenticate`
   * that hangs does not fill the server; one that finds the server full when its turn comes
   * is refused with `capacity-reached`. 1 to 1,000,000; default 1,000.
   */
  readonly maxPendingUpgrades?: number | undefined;
  /**
   * The most connections of one address, upgrades in progress among them; further ones are refused
   * with 429 and `connections-limit`. An IPv6 address counts by its /64; loopback and private addresses
   * are not limited. 0 to 1,000,000, 0 for no limit; default 1,000.
   */
  readonly maxConnectionsPerAddress?: number | undefined;
  /**
   * The most upgrades a second from one address, with bursts of twice as many; further ones are
   * refused with 429 and `rate-limited`. Addresses count as above. 0 to 1,000,000, 0 for no limit;
   * default 100.
   */
  readonly maxUpgradesPerSecondPerAddress?: number | undefined;
  /**
   * Proxies that are believed what they say about a client's address, in `X-Forwarded-For` or a
   * PROXY header: addresses and subnets such as "10.0.0.0/8". Default: none, so that the address
   * is that of the TCP peer.
   */
  readonly trustedProxies?: readonly string[] | undefined;
  /**
   * The largest head of an HTTP request, upgrades among them: request line and headers, in
   * bytes. A larger one is answered with 431. 1,024 to 65,536; default 16 KiB, as of Node.js itself.
   */
  readonly maxHeadBytes?: number | undefined;
  /** The largest frame taken from a client, in bytes. 128 to 16 MiB; default 16 KiB. */
  readonly maxFrameBytes?: number | undefined;
  /**
   * A connection with more than this waiting to be written is closed as a slow
   * consumer, in bytes. How far it may be exceeded for a moment is the transport's to say.
   * 64 KiB to 256 MiB; default 1 MiB.
   */
  readonly maxBackpressureBytes?: number | undefined;
  /**
   * What may wait to be written to all connections, in bytes. Beyond it, those with the most
   * are closed as slow consumers. It may be exceeded by a sixteenth and one frame to each
   * connection for a moment. 0 to 2^40, 0 for no limit; default 256 MiB.
   */
  readonly maxTotalBackpressureBytes?: number | undefined;
  /**
   * What happens, by room, to a member that does not read fast enough. Default: its connection is
   * closed, whatever the room.
   */
  readonly slowReaders?: SlowReaderOptions | undefined;
  /**
   * A connection from which nothing came for this long, not even a pong, is cut: never
   * earlier, and at most 2 s later, beside the time that the process itself was held up.
   * 1,000 to 900,000 ms; default 120,000.
   */
  readonly idleTimeoutMs?: number | undefined;
  /**
   * Between two pings to a connection, the first of them at a random time within the first
   * interval. Every connection is pinged, for balancers count the time since the server
   * last wrote, too; many cut a connection after 60 s. 0: no pings, so that a client must
   * send something by itself within `idleTimeoutMs`. Otherwise 100 ms or more, and less
   * than `idleTimeoutMs`; default 25,000, or half of `idleTimeoutMs` where that is less.
   */
  readonly pingIntervalMs?: number | undefined;
  /**
   * How long a message of a room may wait for others of the room, so that a member gets them in one
   * write, in milliseconds: 0 to 100. A message after a pause of this length goes at once.
   * `auto`: at most 10 ms, and only while the room has more than about 75 messages a second. Default 0.
   */
  readonly roomWindowMs?: RoomWindow | undefined;
  /**
   * The most members of one room that are written to in one turn of the event loop; other work comes
   * in between, and the room's messages keep their order. 10 to 1,000,000; default 500.
   */
  readonly maxMembersPerTurn?: number | undefined;
  /** Deadline of `authenticate`; an upgrade that misses it is refused with 503 and `timeout`. 1 to 600,000 ms; default 5,000. */
  readonly authenticationTimeoutMs?: number | undefined;
  /** Deadline of `close()`: the goodbyes are spread over up to half of it. 0 to 600,000 ms; default 5,000. */
  readonly closeTimeoutMs?: number | undefined;
  /**
   * Says whose connection it is, or throws a CmError: `unauthorized` becomes HTTP 401,
   * `capacity-reached` 503, others 4xx or 503. Anything else becomes 500 and goes to
   * `onError`. The signal aborts when the client goes away, at the deadline and when
   * the server closes.
   */
  readonly authenticate: (
    request: UpgradeRequest,
    signal: AbortSignal,
  ) => Authentication<U> | Promise<Authentication<U>>;
  /** Gives each connection its id; see `createConnectionIdSource`. */
  readonly nextConnectionId: () => string;
  /** Hears what happens on the sockets. */
  readonly handler: ConnectionHandler<U>;
  /**
   * What is answered over plain HTTP, by method and exact path: `"POST /orders"`; a path alone
   * is for GET and HEAD. A handler that is not given as a {@link Route} takes no body. Default: nothing.
   */
  readonly routes?: Readonly<Record<string, RouteHandler | Route>> | undefined;
  /** Where the handler counts what was wrong with frames, to be told in `stats()`. Default: one of the server's own. */
  readonly faults?: FaultCounter | undefined;
  /** Takes failures that no caller is waiting for. */
  readonly onError: OnError;
}

/** {@link TransportOptions} with every default filled in and every value checked. */
export interface ResolvedTransportOptions<U> {
  /** As {@link TransportOptions.host}. */
  readonly host: string;
  /** As {@link TransportOptions.port}. */
  readonly port: number;
  /** As {@link TransportOptions.path}. */
  readonly path: string;
  /** As {@link TransportOptions.subprotocols}. */
  readonly subprotocols: readonly string[];
  /** As {@link TransportOptions.allowedOrigins}; `undefined` for any. */
  readonly allowedOrigins: ReadonlySet<string> | undefined;
  /** As {@link TransportOptions.maxConnections}. */
  readonly maxConnections: number;
  /** As {@link TransportOptions.maxPendingUpgrades}. */
  readonly maxPendingUpgrades: number;
  /** As {@link TransportOptions.maxConnectionsPerAddress}. */
  readonly maxConnectionsPerAddress: number;
  /** As {@link TransportOptions.maxUpgradesPerSecondPerAddress}. */
  readonly maxUpgradesPerSecondPerAddress: number;
  /** As {@link TransportOptions.trustedProxies}. */
  readonly trustedProxies: TrustedProxies;
  /** As {@link TransportOptions.maxHeadBytes}. */
  readonly maxHeadBytes: number;
  /** As {@link TransportOptions.maxFrameBytes}. */
  readonly maxFrameBytes: number;
  /** As {@link TransportOptions.maxBackpressureBytes}. */
  readonly maxBackpressureBytes: number;
  /** As {@link TransportOptions.maxTotalBackpressureBytes}. */
  readonly maxTotalBackpressureBytes: number;
  /** As {@link TransportOptions.slowReaders}, resolved; `undefined` where every slow reader is closed. */
  readonly slowReaders: ResolvedSlowReaderOptions | undefined;
  /** As {@link TransportOptions.roomWindowMs}. */
  readonly roomWindowMs: RoomWindow;
  /** As {@link TransportOptions.maxMembersPerTurn}. */
  readonly maxMembersPerTurn: number;
  /** As {@link TransportOptions.idleTimeoutMs}. */
  readonly idleTimeoutMs: number;
  /** As {@link TransportOptions.pingIntervalMs}. */
  readonly pingIntervalMs: number;
  /** As {@link TransportOptions.authenticationTimeoutMs}. */
  readonly authenticationTimeoutMs: number;
  /** As {@link TransportOptions.closeTimeoutMs}. */
  readonly closeTimeoutMs: number;
  /** As {@link TransportOptions.authenticate}. */
  readonly authenticate: TransportOptions<U>["authenticate"];
  /** As {@link TransportOptions.nextConnectionId}. */
  readonly nextConnectionId: () => string;
  /** As {@link TransportOptions.handler}. */
  readonly handler: ConnectionHandler<U>;
  /** As {@link TransportOptions.routes}. */
  readonly routes: RouteTable;
  /** As {@link TransportOptions.faults}. */
  readonly faults: FaultCounter;
  /** As {@link TransportOptions.onError}. */
  readonly onError: OnError;
}

/** Every option there is. */
const KNOWN: Readonly<Record<keyof TransportOptions<unknown>, true>> = {
  host: true,
  port: true,
  path: true,
  subprotocols: true,
  allowedOrigins: true,
  maxConnections: true,
  maxPendingUpgrades: true,
  maxConnectionsPerAddress: true,
  maxUpgradesPerSecondPerAddress: true,
  trustedProxies: true,
  maxHeadBytes: true,
  maxFrameBytes: true,
  maxBackpressureBytes: true,
  maxTotalBackpressureBytes: true,
  slowReaders: true,
  roomWindowMs: true,
  maxMembersPerTurn: true,
  idleTimeoutMs: true,
  pingIntervalMs: true,
  authenticationTimeoutMs: true,
  closeTimeoutMs: true,
  authenticate: true,
  nextConnectionId: true,
  handler: true,
  routes: true,
  faults: true,
  onError: true,
};

const KIB = 1024;
const MIB = 1024 * KIB;
/** RFC 6455: a subprotocol is a token of RFC 7230. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/;
/** Visible ASCII without what some servers read as a pattern (":" and "*") or as the query's start. */
const FIXED_PATH = /^\/[!"$-)+-9;->@-~]{0,255}$/;
const HOST_NAME = /^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?$/;

/**
 * Fills in defaults and checks every value. Native code ends the whole process on
 * some bad values, so nothing passes unseen. A transport checks what it takes besides, whose
 * names are `own`.
 *
 * @throws CmError `options-invalid`; `details.field` names the option.
 */
export function resolveTransportOptions<U>(
  options: TransportOptions<U>,
  own: readonly string[] = [],
): ResolvedTransportOptions<U> {
  requireOptions<object>(options, { ...KNOWN, ...Object.fromEntries(own.map((name) => [name, true])) });
  for (const [field, value] of Object.entries(options)) {
    // Not a way to ask for the default: that is to leave the option out.
    if (value === null) throw invalid(field, "must not be null");
  }
  const path = fixedPath("path", options.path ?? "/ws");
  const port = whole("port", options.port, 0, 65_535);
  const idleTimeoutMs = whole("idleTimeoutMs", options.idleTimeoutMs ?? 120_000, 1_000, 900_000);
  const maxBackpressureBytes = whole("maxBackpressureBytes", options.maxBackpressureBytes ?? MIB, 64 * KIB, 256 * MIB);
  return {
    host: host(options.host ?? "127.0.0.1"),
    port,
    path,
    subprotocols: subprotocols(options.subprotocols),
    allowedOrigins: options.allowedOrigins === undefined ? undefined : origins(options.allowedOrigins),
    maxConnections: whole("maxConnections", options.maxConnections ?? 10_000, 1, 1_000_000),
    maxPendingUpgrades: whole("maxPendingUpgrades", options.maxPendingUpgrades ?? 1_000, 1, 1_000_000),
    maxConnectionsPerAddress: whole(
      "maxConnectionsPerAddress",
      options.maxConnectionsPerAddress ?? 1_000,
      0,
      1_000_000,
    ),
    maxUpgradesPerSecondPerAddress: whole(
      "maxUpgradesPerSecondPerAddress",
      options.maxUpgradesPerSecondPerAddress ?? 100,
      0,
      1_000_000,
    ),
    trustedProxies: trustedProxies(options.trustedProxies ?? []),
    maxHeadBytes: whole("maxHeadBytes", options.maxHeadBytes ?? 16 * KIB, KIB, 64 * KIB),
    maxFrameBytes: whole("maxFrameBytes", options.maxFrameBytes ?? 16 * KIB, 128, 16 * MIB),
    maxBackpressureBytes,
    maxTotalBackpressureBytes: whole(
      "maxTotalBackpressureBytes",
      options.maxTotalBackpressureBytes ?? 256 * MIB,
      0,
      2 ** 40,
    ),
    slowReaders: resolveSlowReaders(options.slowReaders, maxBackpressureBytes),
    roomWindowMs: roomWindow(options.roomWindowMs ?? 0),
    maxMembersPerTurn: whole("maxMembersPerTurn", options.maxMembersPerTurn ?? 500, 10, 1_000_000),
    idleTimeoutMs,
    pingIntervalMs: pingInterval(options.pingIntervalMs, idleTimeoutMs),
    authenticationTimeoutMs: whole("authenticationTimeoutMs", options.authenticationTimeoutMs ?? 5_000, 1, 600_000),
    closeTimeoutMs: whole("closeTimeoutMs", options.closeTimeoutMs ?? 5_000, 0, 600_000),
    authenticate: callable("authenticate", options.authenticate),
    nextConnectionId: callable("nextConnectionId", options.nextConnectionId),
    handler: handler(options.handler),
    routes: routes(options.routes ?? {}, path),
    faults: faultCounter(options.faults ?? createFaultCounter()),
    onError: callable("onError", options.onError),
  };
}

function roomWindow(value: unknown): RoomWindow {
  if (value === "auto") return value;
  if (typeof value === "string")
    throw invalid("roomWindowMs", `must be "auto" or a whole number from 0 to ${ROOM_WINDOW_MAX_MS}`);
  return whole("roomWindowMs", value, 0, ROOM_WINDOW_MAX_MS);
}

function pingInterval(value: unknown, idleTimeoutMs: number): number {
  const byDefault = Math.min(25_000, Math.floor(idleTimeoutMs / 2));
  const pingIntervalMs = whole("pingIntervalMs", value ?? byDefault, 0, idleTimeoutMs - 1);
  if (pingIntervalMs > 0 && pingIntervalMs < 100) throw invalid("pingIntervalMs", "must be 0, or 100 or more");
  return pingIntervalMs;
}

/** True or false, or {@link invalid} thrown. */
export function flag(field: string, value: unknown): boolean {
  if (typeof value !== "boolean") throw invalid(field, "must be true or false");
  return value;
}

function callable<F extends (...args: never[]) => unknown>(field: string, value: F): F {
  if (typeof value !== "function") throw invalid(field, "must be a function");
  return value;
}

function host(value: unknown): string {
  if (typeof value !== "string" || (isIP(value) === 0 && !HOST_NAME.test(value))) {
    throw invalid("host", "must be an IP address or a host name");
  }
  return value;
}

function fixedPath(field: string, value: unknown): string {
  if (typeof value !== "string" || !FIXED_PATH.test(value)) {
    throw invalid(field, 'must be a path: "/" and visible ASCII characters without : * ? and #, at most 256 in all');
  }
  return value;
}

function subprotocols(value: unknown): readonly string[] {
  if (!Array.isArray(value) || value.length === 0) throw invalid("subprotocols", "must name at least one");
  return value.map((name: unknown) => {
    if (typeof name !== "string" || !TOKEN.test(name)) {
      throw invalid("subprotocols", "must be tokens of at most 64 characters (RFC 7230)");
    }
    return name;
  });
}

function origins(value: unknown): ReadonlySet<string> {
  if (!Array.isArray(value)) throw invalid("allowedOrigins", "must be a list");
  return new Set(
    value.map((origin: unknown) => {
      if (typeof origin !== "string" || !(origin === "null" || isOrigin(origin))) {
        throw invalid("allowedOrigins", 'must hold origins such as "https://example.com", without a path');
      }
      return origin;
    }),
  );
}

function trustedProxies(value: unknown): TrustedProxies {
  if (!Array.isArray(value)) throw invalid("trustedProxies", "must be a list");
  try {
    return new TrustedProxies(value);
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw invalid("trustedProxies", `must hold addresses and subnets such as 10.0.0.0/8; ${cause.message}`);
  }
}

/** Whether the text is spelled as a browser spells an Origin header. */
function isOrigin(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { origin, protocol, host: authority } = new URL(text);
  // The URL standard gives schemes of its own no origin; browsers send theirs as scheme and host.
  return origin === text || (origin === "null" && authority !== "" && `${protocol}//${authority}` === text);
}

function handler<U>(value: ConnectionHandler<U>): ConnectionHandler<U> {
  if (typeof value !== "object" || value === null) throw invalid("handler", "must be an object");
  for (const name of ["open", "frame", "binary", "closed"] as const) callable(`handler.${name}`, value[name]);
  if (value.pong !== undefined) callable("handler.pong", value.pong);
  return value;
}

function faultCounter(value: FaultCounter): FaultCounter {
  if (typeof value !== "object" || value === null) throw invalid("faults", "must be an object");
  for (const name of ["count", "counts"] as const) callable(`faults.${name}`, value[name]);
  return value;
}

const METHODS: readonly string[] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

function routes(value: unknown, path: string): RouteTable {
  if (typeof value !== "object" || value === null) throw invalid("routes", "must be an object");
  const table = new Map<string, Map<string, Route>>();
  for (const [key, answer] of Object.entries(value)) {
    const [, method = "GET", route] = /^(?:([A-Z]+) )?(.*)$/s.exec(key) ?? [];
    if (!METHODS.includes(method)) throw invalid("routes", `must be for one of ${METHODS.join(", ")}`);
    fixedPath("routes", route);
    if (route === path) throw invalid("routes", "must leave the WebSocket path alone");
    const here = table.get(String(route)) ?? new Map<string, Route>();
    here.set(method, routeOf(`routes["${key}"]`, answer));
    table.set(String(route), here);
  }
  return table;
}

function routeOf(field: string, value: unknown): Route {
  if (typeof value !== "object" || value === null) {
    // Checked just here.
    return { maxBodyBytes: 0, answer: callable(field, value as RouteHandler) };
  }
  const { maxBodyBytes, answer } = value as Partial<Route>; // Each is checked next.
  return {
    maxBodyBytes: whole(`${field}.maxBodyBytes`, maxBodyBytes, 0, 16 * MIB),
    answer: callable(`${field}.answer`, answer as RouteHandler),
  };
}
