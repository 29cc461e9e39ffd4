import { createTokenVerifier, type Identity, type TokenVerifierOptions } from "@cm/auth";
import { CmError, isCmError } from "@cm/protocol";
import { optionInvalid, requireFlag, requireNotNull, requireWholeNumber } from "@cm/protocol/options";
import { resolveRoomWindows } from "@cm/transport";
import { lacksOrigins } from "./config/allowed-origins.js";
import { bytesPerSecondOf, readGatewayConfig } from "./config/config-reader.js";
import { TRANSPORTS } from "./config/gateway-config.js";
import { isHost } from "./config/host-validation.js";
import {
  type GatewayClock,
  type GatewayLogger,
  type GatewayOptions,
  type GatewayUser,
  PROCESS_SETTINGS,
  type ResolvedGatewayOptions,
} from "./gateway-options.js";
import { requireKnownName } from "./known-option-names.js";
import { createWarningLogger } from "./log/warning-logger.js";
import type { GatewayHooks } from "./session/hooks.js";
import { USER_LIMIT_POLICIES } from "./session/user-connection-limit.js";

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

/** The defaults of the options that differ from the defaults of the variables, or that have no variable. */
const OWN_DEFAULTS = {
  maxPendingHooks: 10_000,
  hookTimeoutMs: 5_000,
  routes: {},
  clock: CLOCK,
  page: false,
  publicStats: false,
  sharePort: false,
};

/** The ranges of the options that neither the node nor the transport checks, or for which they have no 0 (no limit). */
const RANGES = {
  hookTimeoutMs: [1, 600_000],
  maxPendingHooks: [1, 1_000_000],
  tokenWarningMs: [0, DAY_MS],
  tokenGraceMs: [0, DAY_MS],
  drainMs: [0, 3_600_000],
  maxConnections: [0, 1_000_000],
  maxRooms: [0, 10_000],
  maxRequestsPerSecond: [0, 100_000],
  maxBytesPerSecond: [0, 1_000_000_000],
  maxFanoutPerSecond: [0, 1_000_000_000],
  maxFanoutPercent: [0, 100],
  maxMemberships: [0, 1_000_000_000],
  maxServerRooms: [0, 1_000_000_000],
} satisfies Partial<Record<keyof ResolvedGatewayOptions, [min: number, max: number]>>;

/** The options from which defaults of other options are calculated. The transport checks their ranges. */
const BASES = ["idleTimeoutMs", "maxFrameBytes", "maxRequestsPerSecond", "maxBackpressureBytes"] as const;

const FLAGS = ["showServerIds", "page", "publicStats", "sharePort"] as const;

type Settings = Omit<ResolvedGatewayOptions, "admin" | "authenticate" | "hooks" | "logger" | "refresh" | "store">;

/** Fills in the defaults. Throws `options-invalid`; `details.field` names the option. */
export function resolveGatewayOptions(options: GatewayOptions): ResolvedGatewayOptions {
  if (typeof options !== "object" || options === null) throw optionInvalid("options", "an object");
  const logger: GatewayLogger = options.logger ?? createWarningLogger();
  const settings = settingsOf(options);
  requireFunctions({ ...options, logger, clock: settings.clock });
  requireFreePaths(settings.routes);
  for (const [field, [min, max]] of Object.entries(RANGES)) {
    requireWholeNumber(field, Reflect.get(settings, field), { min, max });
  }
  for (const field of FLAGS) requireFlag(field, settings[field]);
  requireChoices(options, settings);
  requireRoomPrefixes(settings);
  const authentication = authenticationOf(options);
  if (lacksOrigins(settings)) {
    throw optionInvalid(
      "allowedOrigins",
      "given if tokens are read from cookies, because any page could use the cookie",
    );
  }
  return {
    ...settings,
    roomWindows: resolveRoomWindows(settings.roomWindows),
    maxConnections: settings.maxConnections === 0 ? NO_LIMIT.maxConnections : settings.maxConnections,
    maxRooms: settings.maxRooms === 0 ? NO_LIMIT.maxRooms : settings.maxRooms,
    maxRequestsPerSecond:
      settings.maxRequestsPerSecond === 0 ? NO_LIMIT.maxRequestsPerSecond : settings.maxRequestsPerSecond,
    ...authentication,
    hooks: Object.fromEntries(HOOKS.map((name) => [name, options[name]])),
    admin: adminOf(options.admin),
    store: options.store,
    logger,
  };
}

/** Returns the given settings with defaults for the others. Checks the names of the options, and {@link BASES}. */
function settingsOf(options: GatewayOptions): Settings {
  const defaults = omit(readGatewayConfig({}), PROCESS_SETTINGS);
  const known = new Set<string>([...Object.keys(defaults), ...OWN, ...HOOKS]);
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  for (const [field, value] of Object.entries(given)) {
    requireKnownName(field, known);
    requireNotNull(field, value);
  }
  // Before they are used, so that the error names the option that was given, and not one that depends on it.
  for (const field of BASES) {
    requireWholeNumber(field, options[field] ?? 0, { min: 0, max: Number.MAX_SAFE_INTEGER });
  }
  // Drain by default only with Redis or the application's own store: only then can there be other servers for
  // the clients to move to.
  const drainMs = options.redisUrl === undefined && options.store === undefined ? 0 : 10_000;
  // A shorter idle timeout also lowers the default ping interval, as it does for the environment variables.
  const idleTimeoutMs = options.idleTimeoutMs ?? defaults.idleTimeoutMs;
  const pingIntervalMs = Math.min(defaults.pingIntervalMs, Math.floor(idleTimeoutMs / 2));
  const { slowReaderPolicy } = options;
  const settings = { ...defaults, ...OWN_DEFAULTS, slowReaderPolicy, drainMs, pingIntervalMs, ...given };
  settings.maxBytesPerSecond = options.maxBytesPerSecond ?? bytesPerSecondOf(settings);
  return settings;
}

function requireFunctions(options: GatewayOptions & Pick<ResolvedGatewayOptions, "logger" | "clock">): void {
  for (const field of [...HOOKS, "authenticate", "refresh", "slowReaderPolicy"] as const)
    requireCalls(field, options[field]);
  const { logger, clock } = options;
  for (const call of ["info", "warn", "error"] as const) requireCalls("logger", logger[call], true);
  requireCalls("logger", logger.droppedLines);
  for (const call of ["now", "monotonicMs"] as const) requireCalls("clock", Object(clock)[call], true);
}

/** Checks only the paths of the application's routes: the transport checks everything else. */
function requireFreePaths(routes: Settings["routes"]): void {
  if (typeof routes !== "object" || routes === null)
    throw optionInvalid("routes", "an object that maps paths to handlers");
  for (const path of Object.keys(routes)) {
    const own = OWN_PATHS.find((each) => each === path || path.endsWith(` ${each}`));
    if (own !== undefined) throw optionInvalid("routes", `without ${own}, which the gateway uses itself`);
  }
}

/** Checks the options with a few valid values, and those that exclude each other. */
function requireChoices(options: GatewayOptions, { transport, connectionsPerUserPolicy, sharePort }: Settings): void {
  if (!TRANSPORTS.includes(transport)) throw optionInvalid("transport", '"auto", "uws" or "ws"');
  if (transport === "ws" && sharePort) throw optionInvalid("sharePort", "false if the transport is ws");
  if (!USER_LIMIT_POLICIES.includes(connectionsPerUserPolicy)) {
    throw optionInvalid("connectionsPerUserPolicy", '"refuse" or "replace"');
  }
  if (options.store === undefined) return;
  const ineffective = OF_OWN_STORE.find((field) => options[field] !== undefined);
  if (ineffective !== undefined) throw optionInvalid(ineffective, "omitted if a store is given");
}

function requireRoomPrefixes(settings: Settings): void {
  for (const field of ["recoverableRooms", "slowReaderDropRooms", "slowReaderLatestRooms"] as const) {
    const prefixes: unknown = settings[field];
    if (!Array.isArray(prefixes) || !prefixes.every((prefix) => typeof prefix === "string")) {
      throw optionInvalid(field, "a list of strings");
    }
  }
  const { slowReaderDropRooms, slowReaderLatestRooms, slowReaderBytes, maxBackpressureBytes } = settings;
  if (slowReaderLatestRooms.some((prefix) => slowReaderDropRooms.includes(prefix))) {
    throw optionInvalid("slowReaderLatestRooms", "disjoint from slowReaderDropRooms");
  }
  if (slowReaderBytes !== undefined) {
    const max = Math.floor(maxBackpressureBytes / 2);
    requireWholeNumber("slowReaderBytes", slowReaderBytes, { min: 1_024, max }, "bytes");
  }
}

/**
 * Returns the functions that authenticate clients: `authenticate` and `refresh`, or those created from
 * `tokens`.
 */
function authenticationOf(options: GatewayOptions): Pick<ResolvedGatewayOptions, "authenticate" | "refresh"> {
  const { authenticate, refresh, tokens } = options;
  if (tokens === undefined) {
    if (authenticate === undefined)
      throw optionInvalid("authenticate", "given, or tokens, to identify the user of a connection");
    return { authenticate, refresh: refresh && (async (token) => refresh(token)) };
  }
  for (const field of ["authenticate", "refresh"] as const) {
    if (options[field] !== undefined) throw optionInvalid(field, "omitted if tokens is given");
  }
  const verifier = verifierOf(tokens);
  return {
    authenticate: async (request) => userOfToken(await verifier.verify(verifier.read(request))),
    refresh: async (token) => userOfToken(await verifier.verify(token)),
  };
}

function adminOf(admin: GatewayOptions["admin"]): ResolvedGatewayOptions["admin"] {
  if (admin === undefined) return undefined;
  if (typeof admin !== "object" || admin === null) throw optionInvalid("admin", "an object with port and host");
  for (const field of Object.keys(admin)) requireKnownName(field, ADMIN, "admin.");
  const { port, host = "127.0.0.1" } = admin;
  requireWholeNumber("admin.port", port, { min: 0, max: 65_535 });
  if (typeof host !== "string" || !isHost(host)) throw optionInvalid("admin.host", "an IP address or a host name");
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
  throw optionInvalid(field, "a function, or an object of functions");
}

/** Returns a copy without the named members. */
function omit<T extends object, K extends keyof T>(value: T, names: readonly K[]): Omit<T, K> {
  const left: Partial<T> = { ...value };
  for (const name of names) delete left[name];
  // The type of `left` does not say which members remain.
  return left as Omit<T, K>;
}
