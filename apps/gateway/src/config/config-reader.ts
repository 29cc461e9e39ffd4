import { createTokenVerifier, type TokenVerifierOptions } from "@cm/auth";
import { isCmError, isServerId, randomBase36 } from "@cm/protocol";
import { ROOM_WINDOW_MAX_MS, type RoomWindow, type RoomWindowRule } from "@cm/transport";
import { membershipsThatFit, roomsThatFit } from "../limits/heap-capacity.js";
import { USER_LIMIT_POLICIES } from "../session/user-connection-limit.js";
import { lacksOrigins, readAllowedOrigins } from "./allowed-origins.js";
import { EnvReader } from "./env-reader.js";
import { type GatewayConfig, LOG_LEVELS, TRANSPORTS } from "./gateway-config.js";
import { isLoopback } from "./host-validation.js";
import { misspeltVariables } from "./misspelt-variables.js";
import { readRedisUrl } from "./redis-url.js";
import { readRoomPrefixes } from "./room-prefixes.js";
import { readTokens, variableOf } from "./token-settings.js";
import { readTrustedProxies } from "./trusted-proxies.js";
import { readWorker, WORKER_SUFFIX_MAX, WORKERS_MAX } from "./worker-number.js";

const DAY_MS = 86_400_000;
const SERVER_ID_MAX = 64;

/** Variables that the process that starts the workers sets; people are not meant to set them. */
const INTERNAL: readonly string[] = ["CM_WORKER"];

/** Reads and validates the environment. Throws `config-invalid` with every invalid value. */
export function readGatewayConfig(env: Readonly<Record<string, string | undefined>>): GatewayConfig {
  const reader = new EnvReader(env);
  const config = readConfig(reader);
  const warnings = [...reader.warnings, ...misspeltVariables(env, reader.asked)];
  reader.finish();
  return { ...config, warnings };
}

/**
 * Names of the variables that people can set, in the order in which they are read. All of them are read from any
 * environment, whatever it contains.
 */
export function gatewayVariables(): readonly string[] {
  const reader = new EnvReader({});
  readConfig(reader);
  return reader.asked.filter((name) => !INTERNAL.includes(name));
}

function readConfig(reader: EnvReader): Omit<GatewayConfig, "warnings"> {
  const { workers, transport } = readWorkers(reader);
  const redis = readRedisUrl(reader);
  if (workers > 1 && !redis.given) {
    reader.problem("WORKERS", "requires REDIS_URL, because processes can't share the memory store");
  }
  const serverId = readServerId(reader, workers);
  const port = reader.wholeNumber("PORT", 3000, 0, 65_535);
  if (workers > 1 && port === 0 && reader.areGood("PORT"))
    reader.problem("PORT", "must be set if WORKERS is greater than 1, because the workers share it");
  const worker = readWorker(reader, workers);
  const listenHost = reader.host("LISTEN_HOST", "127.0.0.1");
  const tokens = readAuthentication(reader, listenHost);
  const allowedOrigins = readAllowedOrigins(reader);
  if (lacksOrigins({ tokens, allowedOrigins, listenHost })) {
    reader.problem(
      "ALLOWED_ORIGINS",
      "must be set if TOKEN_SOURCES contains cookie, because any page could use the cookie",
    );
  }
  const admin = readAdmin(reader, { port, workers, worker });
  const idleTimeoutMs = reader.wholeNumber("IDLE_TIMEOUT_MS", 120_000, 8_000, 900_000);
  const limits = readLimits(reader);
  return {
    port,
    transport,
    listenHost,
    serverHost: reader.host("SERVER_HOST", "localhost"),
    serverId: worker === undefined ? serverId : `${serverId}-${worker}`,
    redisUrl: redis.url,
    redisPrefix: readRedisPrefix(reader),
    ...readLease(reader),
    ...readTimes(reader, redis.given),
    ...limits,
    authenticationTimeoutMs: reader.wholeNumber("AUTHENTICATION_TIMEOUT_MS", 5_000, 100, 600_000),
    connectionsPerUserPolicy: reader.oneOf("CONNECTIONS_PER_USER_POLICY", "refuse", USER_LIMIT_POLICIES),
    trustedProxies: readTrustedProxies(reader),
    roomWindowMs: readRoomWindow(reader),
    roomWindows: readRoomWindows(reader),
    idleTimeoutMs,
    pingIntervalMs: readPingInterval(reader, idleTimeoutMs),
    allowedOrigins,
    tokens,
    tokenWarningMs: 1000 * reader.wholeNumber("TOKEN_WARNING_SECONDS", 30, 0, DAY_MS / 1000),
    tokenGraceMs: 1000 * reader.wholeNumber("TOKEN_GRACE_SECONDS", 5, 0, DAY_MS / 1000),
    admin,
    publicStats: reader.flag("PUBLIC_STATS", tokens === undefined && admin === undefined && isLoopback(listenHost)),
    page: reader.flag("PAGE", tokens === undefined),
    recoverableRooms: readRoomPrefixes(reader, "RECOVERABLE_ROOMS"),
    ...readSlowReaders(reader, limits.maxBackpressureBytes),
    showServerIds: reader.flag("SHOW_SERVER_IDS", false),
    workers,
    worker,
    logLevel: reader.oneOf("LOG_LEVEL", "info", LOG_LEVELS),
    logFormat: reader.oneOf("LOG_FORMAT", "json", ["json", "text"]),
  };
}

function readWorkers(reader: EnvReader): Pick<GatewayConfig, "workers" | "transport"> {
  const workers = reader.wholeNumber("WORKERS", 1, 1, WORKERS_MAX);
  const transport = reader.oneOf("TRANSPORT", "auto", TRANSPORTS);
  if (workers > 1 && transport === "ws") {
    reader.problem("WORKERS", "must be 1 with TRANSPORT=ws, because its processes can't share a port");
  }
  return { workers, transport };
}

function readServerId(reader: EnvReader, workers: number): string {
  const serverId = reader.text("SERVER_ID") ?? `gw-${randomBase36(6)}`;
  if (!isServerId(serverId)) {
    reader.problem("SERVER_ID", "must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -");
  } else if (workers > 1 && serverId.length > SERVER_ID_MAX - WORKER_SUFFIX_MAX) {
    const max = SERVER_ID_MAX - WORKER_SUFFIX_MAX;
    reader.problem("SERVER_ID", `must be at most ${max} characters, to leave room for the workers' numbers`);
  }
  return serverId;
}

function readRedisPrefix(reader: EnvReader): string {
  const redisPrefix = reader.text("REDIS_PREFIX") ?? "cm";
  if (!/^[A-Za-z0-9:_-]{1,64}$/.test(redisPrefix)) {
    reader.problem("REDIS_PREFIX", "must be 1 to 64 characters of A-Z, a-z, 0-9, :, _ and -");
  }
  return redisPrefix;
}

function readLease(reader: EnvReader): Pick<GatewayConfig, "heartbeatIntervalMs" | "leaseTtlMs" | "deadAfterMs"> {
  const heartbeatIntervalMs = reader.wholeNumber("HEARTBEAT_INTERVAL_MS", 30_000, 100, DAY_MS / 2);
  const leaseTtlMs = 1000 * reader.wholeNumber("HEARTBEAT_TTL_SECONDS", 90, 1, DAY_MS / 1000);
  const judgeable = reader.areGood("HEARTBEAT_INTERVAL_MS", "HEARTBEAT_TTL_SECONDS");
  if (judgeable && leaseTtlMs <= heartbeatIntervalMs) {
    reader.problem("HEARTBEAT_TTL_SECONDS", `must be more than HEARTBEAT_INTERVAL_MS (${heartbeatIntervalMs} ms)`);
  }
  const deadAfterMs = reader.wholeNumber("DEAD_AFTER_MS", 5_000, 0, 3_600_000);
  if (deadAfterMs > 0 && deadAfterMs < 500) reader.problem("DEAD_AFTER_MS", "must be 0, or 500 or more");
  return { heartbeatIntervalMs, leaseTtlMs, deadAfterMs };
}

/** Reads the durations of connections, of what the store keeps, and of a shutdown. */
function readTimes(reader: EnvReader, hasRedis: boolean) {
  return {
    staleConnectionTimeoutMs: reader.wholeNumber("STALE_CONNECTION_TIMEOUT_MS", 1_800_000, 1_000, DAY_MS),
    cleanupIntervalMs: reader.wholeNumber("CLEANUP_INTERVAL_MS", 300_000, 100, DAY_MS),
    connectionTtlMs: 1000 * reader.wholeNumber("CONNECTION_TTL_SECONDS", 3_600, 1, DAY_MS / 1000),
    offlineGraceMs: reader.wholeNumber("OFFLINE_GRACE_MS", 5_000, 0, 3_600_000),
    lastSeenTtlMs: 1000 * reader.wholeNumber("LAST_SEEN_TTL_SECONDS", 86_400, 0, (365 * DAY_MS) / 1000),
    drainMs: 1000 * reader.wholeNumber("DRAIN_SECONDS", hasRedis ? 10 : 0, 0, 3_600),
    shutdownTimeoutMs: reader.wholeNumber("SHUTDOWN_TIMEOUT_MS", 10_000, 100, 600_000),
  };
}

function readLimits(reader: EnvReader) {
  const maxFrameBytes = reader.wholeNumber("MAX_FRAME_BYTES", 16_384, 1_024, 1_048_576);
  const maxRequestsPerSecond = reader.wholeNumber("MAX_REQUESTS_PER_SECOND", 100, 0, 100_000);
  const maxBytesPerSecond = bytesPerSecondOf({ maxRequestsPerSecond, maxFrameBytes });
  return {
    maxConnections: reader.wholeNumber("MAX_CONNECTIONS", 10_000, 0, 1_000_000),
    maxConnectionsPerAddress: reader.wholeNumber("MAX_CONNECTIONS_PER_ADDRESS", 1_000, 0, 1_000_000),
    maxUpgradesPerSecondPerAddress: reader.wholeNumber("MAX_UPGRADES_PER_SECOND_PER_ADDRESS", 100, 0, 1_000_000),
    maxPendingUpgrades: reader.wholeNumber("MAX_PENDING_UPGRADES", 1_000, 0, 1_000_000),
    maxConnectionsPerUser: reader.wholeNumber("MAX_CONNECTIONS_PER_USER", 1_000, 0, 1_000_000),
    maxHeadBytes: reader.wholeNumber("MAX_HEAD_BYTES", 16_384, 1_024, 65_536),
    maxFrameBytes,
    maxBackpressureBytes: reader.wholeNumber("MAX_BACKPRESSURE_BYTES", 1_048_576, 65_536, 67_108_864),
    maxTotalBackpressureBytes: reader.wholeNumber("MAX_TOTAL_BACKPRESSURE_BYTES", 268_435_456, 0, 2 ** 40),
    maxSequencers: reader.wholeNumber("MAX_SEQUENCERS", 100_000, 1, 10_000_000),
    maxMemberships: reader.wholeNumber("MAX_MEMBERSHIPS", membershipsThatFit(), 0, 1_000_000_000),
    maxServerRooms: reader.wholeNumber("MAX_SERVER_ROOMS", roomsThatFit(), 0, 1_000_000_000),
    maxRooms: reader.wholeNumber("MAX_ROOMS_PER_CONNECTION", 100, 0, 10_000),
    maxRequestsPerSecond,
    maxBytesPerSecond: reader.wholeNumber("MAX_BYTES_PER_SECOND", maxBytesPerSecond, 0, 1_000_000_000),
    maxControlFramesPerSecond: reader.wholeNumber("MAX_CONTROL_FRAMES_PER_SECOND", 20, 0, 1_000_000),
    maxFanoutPerSecond: reader.wholeNumber("MAX_FANOUT_PER_SECOND", 100_000, 0, 1_000_000_000),
    maxFanoutPercent: reader.wholeNumber("MAX_FANOUT_PERCENT", 50, 0, 100),
  };
}

/**
 * Reads the settings for verifying tokens. Returns `undefined` if a client may claim to be any user, which is
 * allowed on a loopback address and with `OPEN=true`.
 */
function readAuthentication(reader: EnvReader, listenHost: string): TokenVerifierOptions | undefined {
  const isOpen = reader.flag("OPEN", false);
  const tokens = readTokens(reader);
  if (tokens !== undefined) {
    if (isOpen) reader.problem("OPEN", "can't be true if tokens are verified");
    try {
      createTokenVerifier(tokens);
    } catch (error) {
      if (!isCmError(error)) throw error;
      const name = variableOf(String(error.details?.field));
      // If the key file could not be read, that problem has been reported already.
      if (reader.areGood("TOKEN_PUBLIC_KEY_FILE"))
        reader.problem(name, `can't be used: ${error.message.replace(/\.$/, "")}`);
    }
    return tokens;
  }
  if (isOpen) {
    reader.warn(
      "OPEN: clients are not authenticated; each may claim any user id, join every room and send to every user",
    );
  } else if (
    !isLoopback(listenHost) &&
    reader.areGood("LISTEN_HOST", "TOKEN_PUBLIC_KEY", "TOKEN_PUBLIC_KEY_FILE", "TOKEN_JWKS_URL")
  ) {
    reader.problem(
      "LISTEN_HOST",
      "is not a loopback address, and clients are not authenticated: set TOKEN_SECRET, TOKEN_PUBLIC_KEY or TOKEN_JWKS_URL, or OPEN=true for a trial",
    );
  }
  return undefined;
}

/**
 * The default of `maxBytesPerSecond`: a quarter of `maxRequestsPerSecond` frames of `maxFrameBytes`, at most
 * 1,000,000,000; 0 (no limit) if the number of requests is not limited.
 */
export function bytesPerSecondOf({
  maxRequestsPerSecond,
  maxFrameBytes,
}: Pick<GatewayConfig, "maxRequestsPerSecond" | "maxFrameBytes">): number {
  return maxRequestsPerSecond === 0
    ? 0
    : Math.min(1_000_000_000, Math.floor((maxRequestsPerSecond * maxFrameBytes) / 4));
}

function readRoomWindow(reader: EnvReader): RoomWindow {
  const window = roomWindowOf(reader.text("ROOM_WINDOW_MS") ?? "auto");
  if (window !== undefined) return window;
  reader.problem("ROOM_WINDOW_MS", `must be auto or a whole number from 0 to ${ROOM_WINDOW_MAX_MS}`);
  return "auto";
}

/** Maximum number of entries in `ROOM_WINDOWS`; the transport has the same. */
const ROOM_WINDOWS_MAX = 100;

function readRoomWindows(reader: EnvReader): RoomWindowRule[] {
  const entries = reader.list("ROOM_WINDOWS");
  const rules = entries.flatMap((entry) => {
    // A prefix may contain a =, a window does not.
    const at = entry.lastIndexOf("=");
    const windowMs = at === -1 ? undefined : roomWindowOf(entry.slice(at + 1));
    return windowMs === undefined ? [] : [{ prefix: entry.slice(0, at), windowMs }];
  });
  if (rules.length < entries.length || entries.length > ROOM_WINDOWS_MAX) {
    const window = `auto or a whole number from 0 to ${ROOM_WINDOW_MAX_MS}`;
    reader.problem("ROOM_WINDOWS", `must be at most ${ROOM_WINDOWS_MAX} entries of a prefix, = and ${window}`);
  }
  return rules;
}

/** Returns `undefined` if the text is no window. */
function roomWindowOf(text: string): RoomWindow | undefined {
  if (text === "auto") return text;
  return /^\d{1,3}$/.test(text) && Number(text) <= ROOM_WINDOW_MAX_MS ? Number(text) : undefined;
}

type SlowReaders = Pick<GatewayConfig, "slowReaderDropRooms" | "slowReaderLatestRooms" | "slowReaderBytes">;

function readSlowReaders(reader: EnvReader, maxBackpressureBytes: number): SlowReaders {
  const slowReaderDropRooms = readRoomPrefixes(reader, "SLOW_READER_DROP_ROOMS");
  const slowReaderLatestRooms = readRoomPrefixes(reader, "SLOW_READER_LATEST_ROOMS");
  const both = slowReaderLatestRooms.find((prefix) => slowReaderDropRooms.includes(prefix));
  if (both !== undefined) {
    reader.problem("SLOW_READER_LATEST_ROOMS", `and SLOW_READER_DROP_ROOMS must not both have ${both || "*"}`);
  }
  const most = Math.floor(maxBackpressureBytes / 2);
  const isGiven = reader.text("SLOW_READER_BYTES") !== undefined;
  const slowReaderBytes = isGiven ? reader.wholeNumber("SLOW_READER_BYTES", most, 1_024, most) : undefined;
  return { slowReaderDropRooms, slowReaderLatestRooms, slowReaderBytes };
}

function readPingInterval(reader: EnvReader, idleTimeoutMs: number): number {
  const byDefault = Math.min(25_000, Math.floor(idleTimeoutMs / 2));
  const pingIntervalMs = reader.wholeNumber("PING_INTERVAL_MS", byDefault, 0, idleTimeoutMs - 1);
  if (pingIntervalMs > 0 && pingIntervalMs < 1_000) reader.problem("PING_INTERVAL_MS", "must be 0, or 1000 or more");
  return pingIntervalMs;
}

function readAdmin(
  reader: EnvReader,
  { port, workers, worker }: Pick<GatewayConfig, "port" | "workers" | "worker">,
): GatewayConfig["admin"] {
  const host = reader.host("ADMIN_HOST", "127.0.0.1");
  if (reader.text("ADMIN_PORT") === undefined) return undefined;
  const first = reader.wholeNumber("ADMIN_PORT", 0, 0, 65_536 - workers);
  if (first !== 0 && port >= first && port < first + workers) {
    reader.problem("ADMIN_PORT", "must differ from PORT, for each worker");
  }
  const index = Number(worker?.split("-")[0] ?? 1);
  return { port: first === 0 ? 0 : first + index - 1, host };
}
