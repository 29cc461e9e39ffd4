import { createTokenVerifier, type Identity, type Rights, type TokenVerifierOptions } from "@cm/auth";
import { CmError, isCmError, type Store } from "@cm/protocol";
import type { Route, RouteHandler, SlowReaderPolicy, UpgradeRequest } from "@cm/transport";
import { lacksOrigins } from "./config/allowed-origins.js";
import { bytesPerSecondOf, readGatewayConfig } from "./config/config-reader.js";
import { type GatewayConfig, TRANSPORTS } from "./config/gateway-config.js";
import { isHost } from "./config/host-validation.js";
import { requireKnownName } from "./known-option-names.js";
import { createWarningLogger } from "./log/warning-logger.js";
import type { GatewayHooks } from "./session/hooks.js";

/** The logger of a gateway, for example a pino logger. None of its methods may throw. */
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
  /** The user's permissions; see `Rights.parse` of `@cm/auth`. Default: everything that the hooks allow. */
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
   * tokens that were issued up to that moment, and to those without this time. A connection whose token has this
   * time accepts no token that was issued earlier or that lacks it.
   */
  readonly issuedAtMs?: number | undefined;
}

/** The settings that only the gateway program uses; an embedded gateway does not have them. */
type ProcessConfig = "admin" | "workers" | "worker" | "logLevel" | "logFormat" | "warnings" | "shutdownTimeoutMs";

type Optional<T> = { readonly [K in keyof T]?: T[K] | undefined };

/**
 * Options of {@link createGateway}. Either `authenticate` or `tokens` is required. Limits and times are those
 * of `GatewayConfig`, with the same defaults; no environment variables are read.
 */
export interface GatewayOptions extends Optional<Omit<GatewayConfig, ProcessConfig>>, GatewayHooks {
  /**
   * Returns the user that a connection belongs to, within `authenticationTimeoutMs`, or throws: a `CmError` with
   * `unauthorized` becomes HTTP 401, `capacity-reached` becomes 503, other codes become 4xx or 503; any other
   * error is logged and becomes 500. The signal is aborted if the client disconnects, and at the deadline.
   */
  readonly authenticate?:
    | ((request: UpgradeRequest, signal: AbortSignal) => GatewayUser | Promise<GatewayUser>)
    | undefined;
  /**
   * Returns the user of a token that a connected client sends with `refresh`, within `hookTimeoutMs`, or throws
   * like `authenticate`. The user's permissions, times and `data` replace the previous ones. Default: clients can't
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
export interface ResolvedGatewayOptions extends Omit<GatewayConfig, ProcessConfig> {
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

/** Names of all hooks, used to reject misspelt ones. */
const HOOKS = [
  "onConnect",
  "onJoin",
  "onPublish",
  "onSend",
  "onMembers",
  "onClose",
] as const satisfies readonly (keyof GatewayHooks)[];

const OWN = [
  "authenticate",
  "refresh",
  "tokens",
  "tokenWarningMs",
  "tokenGraceMs",
  "slowReaderPolicy",
  "maxPendingHooks",
  "hookTimeoutMs",
  "routes",
  "admin",
  "store",
  "logger",
  "clock",
  "page",
  "publicStats",
  "sharePort",
] as const;

/** Settings of a store that the gateway creates. */
const OF_OWN_STORE = ["redisUrl", "redisPrefix", "lastSeenTtlMs"] as const;

const ADMIN: ReadonlySet<string> = new Set(["port", "host"]);

/** Paths that an application's routes must not use. */
const OWN_PATHS: readonly string[] = ["/healthz", "/readyz", "/stats"];

const DAY_MS = 86_400_000;

/**
 * The values that are used for 0 (no limit). No connection reaches the last two; the first is the highest that a
 * transport accepts.
 */
const NO_LIMIT = { maxConnections: 1_000_000, maxRooms: 1_000_000_000, maxRequestsPerSecond: 1_000_000_000 };

const CLOCK: GatewayClock = { now: Date.now, monotonicMs: () => performance.now() };

/** Fills in the defaults. Throws `options-invalid`; `details.field` names the option. */
export function resolveGatewayOptions(options: GatewayOptions): ResolvedGatewayOptions {
  if (typeof options !== "object" || options === null) throw invalid("options", "an object");
  const {
    admin: ______,
    workers: _,
    worker: __,
    logLevel: ___,
    logFormat: ____,
    warnings: _____,
    ...defaults
  } = readGatewayConfig({});
  const known = new Set<string>([...Object.keys(defaults), ...OWN, ...HOOKS]);
  known.delete("shutdownTimeoutMs");
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  for (const field of Object.keys(given)) requireKnownName(field, known);
  for (const field of [...HOOKS, "authenticate", "refresh", "slowReaderPolicy"] as const)
    requireCalls(field, options[field]);
  const logger: GatewayLogger = options.logger ?? createWarningLogger();
  const { routes = {}, clock = CLOCK, hookTimeoutMs = 5_000 } = options;
  if (typeof routes !== "object" || routes === null) throw invalid("routes", "an object that maps paths to handlers");
  // Only check the paths here: the transport checks everything else.
  for (const path of Object.keys(routes)) {
    const own = OWN_PATHS.find((each) => each === path || path.endsWith(` ${each}`));
    if (own !== undefined) throw invalid("routes", `without ${own}, which the gateway uses itself`);
  }
  for (const call of ["info", "warn", "error"] as const) requireCalls("logger", logger[call], true);
  requireCalls("logger", logger.droppedLines);
  for (const call of ["now", "monotonicMs"] as const) requireCalls("clock", clock[call], true);
  wholeNumber("hookTimeoutMs", hookTimeoutMs, 1, 600_000);
  const { tokenWarningMs = 30_000, tokenGraceMs = 5_000, maxPendingHooks = 10_000 } = options;
  wholeNumber("tokenWarningMs", tokenWarningMs, 0, DAY_MS);
  wholeNumber("tokenGraceMs", tokenGraceMs, 0, DAY_MS);
  wholeNumber("maxPendingHooks", maxPendingHooks, 1, 1_000_000);
  if (options.transport !== undefined && !TRANSPORTS.includes(options.transport)) {
    throw invalid("transport", '"auto", "uws" or "ws"');
  }
  if (options.transport === "ws" && options.sharePort === true) {
    throw invalid("sharePort", "false if the transport is ws");
  }
  // Drain by default only with Redis or the application's own store: only then can there be other servers for
  // the clients to move to.
  const drainMs = options.redisUrl === undefined && options.store === undefined ? 0 : 10_000;
  // A shorter idle timeout also lowers the default ping interval, as it does for the environment variables.
  const idleTimeoutMs = options.idleTimeoutMs ?? defaults.idleTimeoutMs;
  const pingIntervalMs = Math.min(defaults.pingIntervalMs, Math.floor(idleTimeoutMs / 2));
  const config = { ...defaults, drainMs, pingIntervalMs, ...given };
  config.maxBytesPerSecond = options.maxBytesPerSecond ?? bytesPerSecondOf(config);
  if (options.store !== undefined) {
    const ineffective = OF_OWN_STORE.find((field) => options[field] !== undefined);
    if (ineffective !== undefined) throw invalid(ineffective, "omitted if a store is given");
  }
  wholeNumber("drainMs", config.drainMs, 0, 3_600_000);
  wholeNumber("maxConnections", config.maxConnections, 0, 1_000_000);
  wholeNumber("maxRooms", config.maxRooms, 0, 10_000);
  wholeNumber("maxRequestsPerSecond", config.maxRequestsPerSecond, 0, 100_000);
  wholeNumber("maxBytesPerSecond", config.maxBytesPerSecond, 0, 1_000_000_000);
  const { connectionsPerUserPolicy: policy } = config;
  if (policy !== "refuse" && policy !== "replace") throw invalid("connectionsPerUserPolicy", '"refuse" or "replace"');
  wholeNumber("maxFanoutPerSecond", config.maxFanoutPerSecond, 0, 1_000_000_000);
  wholeNumber("maxFanoutPercent", config.maxFanoutPercent, 0, 100);
  wholeNumber("maxMemberships", config.maxMemberships, 0, 1_000_000_000);
  wholeNumber("maxServerRooms", config.maxServerRooms, 0, 1_000_000_000);
  for (const field of ["recoverableRooms", "slowReaderDropRooms", "slowReaderLatestRooms"] as const) {
    const prefixes: unknown = config[field];
    if (!Array.isArray(prefixes) || !prefixes.every((prefix) => typeof prefix === "string")) {
      throw invalid(field, "a list of strings");
    }
  }
  if (config.slowReaderLatestRooms.some((prefix) => config.slowReaderDropRooms.includes(prefix))) {
    throw invalid("slowReaderLatestRooms", "disjoint from slowReaderDropRooms");
  }
  if (config.slowReaderBytes !== undefined) {
    wholeNumber("slowReaderBytes", config.slowReaderBytes, 1_024, Math.floor(config.maxBackpressureBytes / 2));
  }
  const authentication = authenticationOf(options);
  if (lacksOrigins(config)) {
    throw invalid("allowedOrigins", "given if tokens are read from cookies, because any page could use the cookie");
  }
  return {
    ...config,
    maxConnections: config.maxConnections === 0 ? NO_LIMIT.maxConnections : config.maxConnections,
    maxRooms: config.maxRooms === 0 ? NO_LIMIT.maxRooms : config.maxRooms,
    maxRequestsPerSecond:
      config.maxRequestsPerSecond === 0 ? NO_LIMIT.maxRequestsPerSecond : config.maxRequestsPerSecond,
    ...authentication,
    tokenWarningMs,
    tokenGraceMs,
    slowReaderPolicy: options.slowReaderPolicy,
    maxPendingHooks,
    showServerIds: flag("showServerIds", config.showServerIds),
    hooks: Object.fromEntries(HOOKS.map((name) => [name, options[name]])),
    hookTimeoutMs,
    routes,
    admin: adminOf(options.admin),
    store: options.store,
    logger,
    clock,
    page: flag("page", options.page ?? false),
    publicStats: flag("publicStats", options.publicStats ?? false),
    sharePort: flag("sharePort", options.sharePort ?? false),
  };
}

/**
 * Returns the functions that authenticate clients: `authenticate` and `refresh`, or those created from
 * `tokens`.
 */
function authenticationOf(options: GatewayOptions): Pick<ResolvedGatewayOptions, "authenticate" | "refresh"> {
  const { authenticate, refresh, tokens } = options;
  if (tokens === undefined) {
    if (authenticate === undefined)
      throw invalid("authenticate", "given, or tokens, to identify the user of a connection");
    return { authenticate, refresh: refresh && (async (token) => refresh(token)) };
  }
  for (const field of ["authenticate", "refresh"] as const) {
    if (options[field] !== undefined) throw invalid(field, "omitted if tokens is given");
  }
  const verifier = verifierOf(tokens);
  return {
    authenticate: async (request) => userOfToken(await verifier.verify(verifier.read(request))),
    refresh: async (token) => userOfToken(await verifier.verify(token)),
  };
}

function adminOf(admin: GatewayOptions["admin"]): ResolvedGatewayOptions["admin"] {
  if (admin === undefined) return undefined;
  if (typeof admin !== "object" || admin === null) throw invalid("admin", "an object with port and host");
  for (const field of Object.keys(admin)) requireKnownName(field, ADMIN, "admin.");
  const { port, host = "127.0.0.1" } = admin;
  wholeNumber("admin.port", port, 0, 65_535);
  if (typeof host !== "string" || !isHost(host)) throw invalid("admin.host", "an IP address or a host name");
  return { port, host };
}

/** Creates the verifier. Its errors name the option as the caller wrote it, such as `tokens.secret`. */
function verifierOf(tokens: TokenVerifierOptions): ReturnType<typeof createTokenVerifier> {
  try {
    return createTokenVerifier(tokens);
  } catch (cause) {
    if (!isCmError(cause)) throw cause;
    const field = `tokens.${String(cause.details?.field)}`;
    throw new CmError("options-invalid", `tokens: ${cause.message}`, { cause, details: { ...cause.details, field } });
  }
}

function userOfToken({ info, ...identity }: Identity): GatewayUser {
  return { ...identity, data: info };
}

function requireCalls(field: string, value: unknown, isNeeded = false): void {
  if (typeof value === "function" || (value === undefined && !isNeeded)) return;
  throw invalid(field, "a function, or an object of functions");
}

function flag(field: string, value: unknown): boolean {
  if (typeof value === "boolean") return value;
  throw invalid(field, "true or false");
}

function wholeNumber(field: string, value: unknown, min: number, max: number): void {
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return;
  throw invalid(field, `a whole number from ${min} to ${max}`);
}

function invalid(field: string, expected: string): CmError {
  return new CmError("options-invalid", `${field} must be ${expected}.`, { details: { field } });
}
