import type { Rights, TokenVerifierOptions } from "@cm/auth";
import type { Store } from "@cm/protocol";
import type { Route, RouteHandler, SlowReaderPolicy, UpgradeRequest } from "@cm/transport";
import type { GatewayConfig } from "./config/gateway-config.js";
import type { GatewayHooks } from "./session/hooks.js";

/**
 * The logger of a gateway, for example a pino logger. None of its methods may throw. An error is passed as the field
 * `err`. `JSON.stringify` leaves out its message and its `cause`, which is what a hook or a route threw: write both, as
 * pino does.
 */
export interface GatewayLogger {
  /** Logs an event that an operator may want to know about. */
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  /** Logs an event that an operator should look at. */
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  /** Logs a failure. */
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
  /** Number of lines that the logger has dropped since its start, for `/stats`. Default: not known. */
  droppedLines?(): number;
}

/** The clocks that a gateway reads. */
export interface GatewayClock {
  /** Returns milliseconds since the Unix epoch, for records. Never used to decide whether a lease is valid. */
  now(): number;
  /** Returns milliseconds on a monotonic clock, for request rates. */
  monotonicMs(): number;
}

/** The user that a connection belongs to. */
export interface GatewayUser {
  /** A name of 1 to 255 bytes. */
  readonly userId: string;
  /** Data about the user that is passed to the hooks, and goes nowhere else. */
  readonly data?: unknown;
  /** The user's rights; see `Rights.parse` of `@cm/auth`. Default: everything that the hooks allow. */
  readonly rights?: Rights | undefined;
  /**
   * The time by which the client must have sent a new token, in milliseconds since the Unix epoch. Default:
   * never. The gateway sends `token-expiring` before that time. If the option `refresh` is not set, the client
   * must reconnect with a new token.
   */
  readonly expiresAtMs?: number | undefined;
  /** The token's id, which can be used to revoke it. */
  readonly tokenId?: string | undefined;
  /**
   * Time at which the token was issued, in milliseconds since the Unix epoch. A revocation of the user applies to
   * tokens that were issued up to the revocation, and to those without this time. If it is set, a new token for the
   * connection must have it too, and must not be older.
   */
  readonly issuedAtMs?: number | undefined;
}

/** The settings that only the gateway program uses; an embedded gateway does not have them. */
export const PROCESS_SETTINGS = [
  "admin",
  "workers",
  "worker",
  "logLevel",
  "logFormat",
  "warnings",
  "shutdownTimeoutMs",
] as const satisfies readonly (keyof GatewayConfig)[];

type ProcessSetting = (typeof PROCESS_SETTINGS)[number];

type Optional<T> = { readonly [K in keyof T]?: T[K] | undefined };

/**
 * Options of {@link createGateway}. Either `authenticate` or `tokens` is required. Limits and times are those
 * of `GatewayConfig`, with the same defaults; no environment variables are read.
 */
export interface GatewayOptions extends Optional<Omit<GatewayConfig, ProcessSetting>>, GatewayHooks {
  /**
   * Returns the user that a connection belongs to, within `authenticationTimeoutMs`, or throws: a `CmError` with
   * `unauthorized` becomes HTTP 401, `capacity-reached` becomes 503, other codes become another 4xx or 5xx status; any other
   * error is logged and becomes 500. The signal is aborted if the client disconnects, and at the deadline.
   */
  readonly authenticate?:
    | ((request: UpgradeRequest, signal: AbortSignal) => GatewayUser | Promise<GatewayUser>)
    | undefined;
  /**
   * Returns the user of a token that a connected client sends with `refresh`, within `hookTimeoutMs`, or throws
   * like `authenticate`. The user's rights, times and `data` replace the previous ones. Default: clients can't
   * send tokens while connected.
   */
  readonly refresh?: ((token: string) => GatewayUser | Promise<GatewayUser>) | undefined;
  /**
   * Authenticates clients with JSON Web Tokens, instead of `authenticate` and `refresh`. If `sources` contains
   * `cookie` and `listenHost` is not a loopback address, `allowedOrigins` is required.
   */
  readonly tokens?: TokenVerifierOptions | undefined;
  /** Time before a token's expiry at which the client is notified, in milliseconds. Default 30,000; 0 to a day. */
  readonly tokenWarningMs?: number | undefined;
  /**
   * Time after a token's expiry for which the client may still send another one, in milliseconds. Default
   * 5,000; 0 to a day.
   */
  readonly tokenGraceMs?: number | undefined;
  /**
   * Decides what happens to a room member that reads too slowly: `close` its connection, `drop` messages for it and
   * notify it, or also keep the `latest` message of each sender and key for it. Called when a connection enters the
   * room; if it returns `undefined`, `slowReaderDropRooms` and `slowReaderLatestRooms` decide. Default: these two
   * options decide.
   */
  readonly slowReaderPolicy?: ((room: string) => SlowReaderPolicy | undefined) | undefined;
  /**
   * Maximum number of pending hooks, and maximum number of pending requests to `routes`. Further requests are
   * rejected with `unavailable`, over HTTP as 503; further calls of `onClose`, which are counted separately, wait. A
   * hook or handler counts until it settles, or until `hookTimeoutMs` has passed, even if it goes on after that.
   * Default 10,000; 1 to 1,000,000.
   */
  readonly maxPendingHooks?: number | undefined;
  /**
   * Maximum duration of a hook or of a handler of `routes`, in milliseconds. After that time the request is
   * rejected with `timeout`, over HTTP as 503. Default 5,000; 1 to 600,000.
   */
  readonly hookTimeoutMs?: number | undefined;
  /**
   * HTTP routes of the application, besides `/healthz`, `/readyz` and `/stats`: `"/version"` for GET and HEAD,
   * `"POST /orders"` with a body of up to 64 KiB, or a {@link Route} with its own limit. A handler must respond within
   * `hookTimeoutMs`. If it throws a `CmError`, the response is a problem document with the error's code. Other errors
   * are logged, and the response is 500.
   */
  readonly routes?: Readonly<Record<string, RouteHandler | Route>> | undefined;
  /**
   * A second port, for operators: `/healthz`, `/readyz`, `/stats`, `/metrics` for Prometheus and `POST
   * /revoke`. Requests to that port are not authenticated: keep the port private. `host` is 127.0.0.1 by
   * default, and port 0 picks a free port. Default: none.
   */
  readonly admin?: { readonly port: number; readonly host?: string | undefined } | undefined;
  /** A started store to use instead of `redisUrl`, `redisPrefix` and `lastSeenTtlMs`. The gateway does not close it. */
  readonly store?: Store | undefined;
  /**
   * Receives the gateway's log. Default: warnings and errors are emitted as process warnings, other lines are
   * discarded.
   */
  readonly logger?: GatewayLogger | undefined;
  /** Clocks for records and request rates. Default: the system's clocks. */
  readonly clock?: GatewayClock | undefined;
  /** Whether `/` serves a page for trying out the gateway. Default `false`. */
  readonly page?: boolean | undefined;
  /** Whether `/stats`, which names servers, is also served on the clients' port. Default `false`. */
  readonly publicStats?: boolean | undefined;
  /** Whether other processes may listen on the same port. Default `false`. */
  readonly sharePort?: boolean | undefined;
}

/** {@link GatewayOptions} with the defaults filled in. */
export interface ResolvedGatewayOptions extends Omit<GatewayConfig, ProcessSetting> {
  readonly authenticate: NonNullable<GatewayOptions["authenticate"]>;
  readonly refresh: ((token: string) => Promise<GatewayUser>) | undefined;
  readonly tokenWarningMs: number;
  readonly tokenGraceMs: number;
  readonly slowReaderPolicy: GatewayOptions["slowReaderPolicy"];
  readonly maxPendingHooks: number;
  readonly hooks: GatewayHooks;
  readonly hookTimeoutMs: number;
  readonly routes: Readonly<Record<string, RouteHandler | Route>>;
  readonly admin: { readonly port: number; readonly host: string } | undefined;
  readonly store: Store | undefined;
  readonly logger: GatewayLogger;
  readonly clock: GatewayClock;
  readonly page: boolean;
  readonly publicStats: boolean;
  readonly sharePort: boolean;
}
