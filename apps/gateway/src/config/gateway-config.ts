import { createTokenVerifier, type TokenVerifierOptions } from "@cm/auth";
import { isCmError, isServerId, randomBase36 } from "@cm/protocol";
import { ROOM_WINDOW_MAX_MS, type RoomWindow } from "@cm/transport";
import { membershipsThatFit, roomsThatFit } from "../limits/memory-limits.js";
import { USER_LIMIT_POLICIES, type UserLimitPolicy } from "../session/user-places.js";
import { readAllowedOrigins } from "./allowed-origins.js";
import { EnvReader } from "./env-reader.js";
import { misspeltVariables } from "./known-variables.js";
import { readRedisUrl } from "./redis-url.js";
import { readRoomBeginnings } from "./room-beginnings.js";
import { readTokens, variableOf } from "./tokens.js";
import { readTrustedProxies } from "./trusted-proxies.js";

/** Everything that the environment decides about a gateway. */
export interface GatewayConfig {
  /** `PORT`: where clients connect. Default 3000; 0 picks a free one. */
  readonly port: number;
  /** `TRANSPORT`: `uws`; `ws`, which needs no native code, one process only; or `auto` (default), see {@link chooseTransport}. */
  readonly transport: Transport;
  /** `LISTEN_HOST`: the local address to listen on. Default `127.0.0.1`; `0.0.0.0` for all. */
  readonly listenHost: string;
  /** `SERVER_HOST`: how other machines reach this server, told in the registry. Default `localhost`. */
  readonly serverHost: string;
  /** `SERVER_ID`: 1 to 64 of A-Z a-z 0-9 _ -. Default: random. With `WORKERS`, worker n gets `-n` behind it, or `-n-k` at its k-th start. */
  readonly serverId: string;
  /** `REDIS_URL`, or put together from `REDIS_HOST` and its kin; `undefined` means the embedded memory store. */
  readonly redisUrl: string | undefined;
  /** `REDIS_PREFIX`: in front of every key and channel. Default `cm`. */
  readonly redisPrefix: string;
  /** `HEARTBEAT_INTERVAL_MS`. Default 30,000. */
  readonly heartbeatIntervalMs: number;
  /** `HEARTBEAT_TTL_SECONDS`: the lease. Default 90. */
  readonly leaseTtlMs: number;
  /**
   * `DEAD_AFTER_MS`: a server that neither gives signs of life nor listens for this long loses its
   * lease. Default 5,000; 0: the lease alone decides.
   */
  readonly deadAfterMs: number;
  /** `STALE_CONNECTION_TIMEOUT_MS`. Default 1,800,000. */
  readonly staleConnectionTimeoutMs: number;
  /** `CLEANUP_INTERVAL_MS`. Default 300,000. */
  readonly cleanupIntervalMs: number;
  /** `CONNECTION_TTL_SECONDS`. Default 3,600. */
  readonly connectionTtlMs: number;
  /** `OFFLINE_GRACE_MS`: how long a user without a connection counts as online. Default 5,000. */
  readonly offlineGraceMs: number;
  /** `LAST_SEEN_TTL_SECONDS`: how long it is remembered when a user was last online; 0: not at all. Default 86,400. */
  readonly lastSeenTtlMs: number;
  /**
   * `DRAIN_SECONDS`: over how long clients are told to go elsewhere before the gateway
   * closes; 0: all at once. Default 10, or 0 without Redis, where there is no elsewhere.
   */
  readonly drainMs: number;
  /** `SHUTDOWN_TIMEOUT_MS`: how long a clean close may take after the drain. Default 10,000. */
  readonly shutdownTimeoutMs: number;
  /** `MAX_CONNECTIONS` of one server process. Default 10,000. */
  readonly maxConnections: number;
  /** `MAX_CONNECTIONS_PER_ADDRESS`, an IPv6 /64 being one; loopback and private addresses are free. Default 1,000; 0: no limit. */
  readonly maxConnectionsPerAddress: number;
  /** `MAX_UPGRADES_PER_SECOND_PER_ADDRESS`, bursts of twice as many allowed. Default 100; 0: no limit. */
  readonly maxUpgradesPerSecondPerAddress: number;
  /**
   * `MAX_CONNECTIONS_PER_USER` on all servers; the same on each of them. Default 1,000; 0: no limit.
   */
  readonly maxConnectionsPerUser: number;
  /**
   * `CONNECTIONS_PER_USER_POLICY`: `refuse` one that is too many (default), or `replace` the oldest;
   * either is closed with 4005, after which clients do not come back by themselves.
   */
  readonly connectionsPerUserPolicy: UserLimitPolicy;
  /**
   * `TRUSTED_PROXIES`: comma-separated addresses and subnets, such as `10.0.0.0/8`, of proxies
   * that are believed what they say about a client's address, in `X-Forwarded-For` or a PROXY
   * header. Default: none.
   */
  readonly trustedProxies: readonly string[];
  /** `MAX_HEAD_BYTES`: of a request, line and headers. Default 16,384. */
  readonly maxHeadBytes: number;
  /** `MAX_FRAME_BYTES` from a client. Default 16,384. */
  readonly maxFrameBytes: number;
  /** `MAX_BACKPRESSURE_BYTES`: what may wait for a slow reader. Default 1,048,576. */
  readonly maxBackpressureBytes: number;
  /** `MAX_TOTAL_BACKPRESSURE_BYTES`: what may wait for all slow readers. Default 268,435,456; 0: no limit. */
  readonly maxTotalBackpressureBytes: number;
  /** `MAX_SEQUENCERS`: rooms and servers that a server process keeps a numbering for once it has published to them. Default 100,000. */
  readonly maxSequencers: number;
  /** `MAX_MEMBERSHIPS`: members of rooms on one server process. Default: one for each 4 KiB of the largest heap; 0: no limit. */
  readonly maxMemberships: number;
  /** `MAX_SERVER_ROOMS`: rooms with members on one server process. Default: one for each 8 KiB of the largest heap; 0: no limit. */
  readonly maxServerRooms: number;
  /**
   * `ROOM_WINDOW_MS`: how long a message of a room may wait for others, so that a member gets them in
   * one write; 0 to 100. `auto` (default): at most 10 ms, and only while the room has more than about
   * 75 messages a second.
   */
  readonly roomWindowMs: RoomWindow;
  /** `MAX_ROOMS_PER_CONNECTION`. Default 100. */
  readonly maxRooms: number;
  /** `MAX_REQUESTS_PER_SECOND` of one connection, bursts of twice as many allowed. Default 100. */
  readonly maxRequestsPerSecond: number;
  /** `MAX_FANOUT_PER_SECOND`: receivers a second that one connection's messages may have. Default 100,000; 0: no limit. */
  readonly maxFanoutPerSecond: number;
  /**
   * `MAX_FANOUT_PERCENT`: the share of a server's time that messages to more than 100 receivers
   * may take. Default 50; 0: no limit.
   */
  readonly maxFanoutPercent: number;
  /** `IDLE_TIMEOUT_MS`: a connection without a sign of life is closed. Default 120,000. */
  readonly idleTimeoutMs: number;
  /** `PING_INTERVAL_MS`: between two pings to a connection; 0: none. Default 25,000, or half of `IDLE_TIMEOUT_MS`. */
  readonly pingIntervalMs: number;
  /** `ALLOWED_ORIGINS`: comma-separated; default: any. */
  readonly allowedOrigins: readonly string[] | undefined;
  /**
   * `RECOVERABLE_ROOMS`: comma-separated beginnings of the names of rooms whose messages are
   * kept for a while, so that nothing is lost; `*` for all rooms. The same on all servers.
   * Default: none. Here `*` is the beginning that all have, the empty one.
   */
  readonly recoverableRooms: readonly string[];
  /**
   * `SLOW_READER_DROP_ROOMS`: likewise, rooms that leave messages out for a member that does not read, and
   * tell it with a `gap`, instead of closing it. Default: none.
   */
  readonly slowReaderDropRooms: readonly string[];
  /**
   * `SLOW_READER_LATEST_ROOMS`: likewise, rooms that also keep the latest message of each sender and key for it.
   * Of several beginnings that fit a room, the longest counts. Default: none.
   */
  readonly slowReaderLatestRooms: readonly string[];
  /**
   * `SLOW_READER_BYTES`: what may wait for a member of such a room before that; at most half of
   * `MAX_BACKPRESSURE_BYTES`. Default: a quarter of it.
   */
  readonly slowReaderBytes: number | undefined;
  /** `SHOW_SERVER_IDS`: whether `welcome` and `members` tell clients the ids of servers. Default `false`. */
  readonly showServerIds: boolean;
  /**
   * How tokens are verified: `TOKEN_SECRET`, `TOKEN_PUBLIC_KEY` (PEM, with `\n` for line ends where
   * need be), `TOKEN_PUBLIC_KEY_FILE` or `TOKEN_JWKS_URL`; `TOKEN_ISSUER`, `TOKEN_AUDIENCE`,
   * `TOKEN_CLOCK_TOLERANCE_SECONDS` (default 5), `TOKEN_SOURCES` (comma-separated; default
   * `authorization,subprotocol`), `TOKEN_QUERY` and `TOKEN_COOKIE` (names; default `token`). Default:
   * users are who they say they are, on a loopback address or with `OPEN` alone.
   */
  readonly tokens: TokenVerifierOptions | undefined;
  /** `TOKEN_WARNING_SECONDS`: how long before its token expires a client is told. Default 30. */
  readonly tokenWarningMs: number;
  /** `TOKEN_GRACE_SECONDS`: how long after that a client may still hand in another one. Default 5. */
  readonly tokenGraceMs: number;
  /** `PAGE`: whether `/` shows the page to try the gateway. Default `true`, or `false` with tokens. */
  readonly page: boolean;
  /**
   * `PUBLIC_STATS`: whether `/stats`, which names servers, is answered where clients connect, too.
   * Default: on a loopback address without tokens and without `ADMIN_PORT` alone.
   */
  readonly publicStats: boolean;
  /**
   * `ADMIN_PORT` and `ADMIN_HOST`: where operators find health, counters, metrics and
   * revocation. Worker n has the port `ADMIN_PORT` + n - 1; 0 picks a free one. The host is
   * `127.0.0.1` by default. Off without `ADMIN_PORT`.
   */
  readonly admin: { readonly port: number; readonly host: string } | undefined;
  /** `WORKERS`: server processes on one port. Default 1; more need Redis. */
  readonly workers: number;
  /**
   * `CM_WORKER`: which worker this process is, `n`, or `n-k` at its k-th start; set by the
   * process that starts the workers.
   */
  readonly worker: string | undefined;
  /** `LOG_LEVEL`. Default `info`. */
  readonly logLevel: LogLevel;
  /** `LOG_FORMAT`: `json` (default) or `text`, for reading at a terminal. */
  readonly logFormat: "json" | "text";
  /** What is odd about the environment, but can be lived with. */
  readonly warnings: readonly string[];
}

export const TRANSPORTS = ["auto", "uws", "ws"] as const;
export type Transport = (typeof TRANSPORTS)[number];

const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const DAY_MS = 86_400_000;
const SERVER_ID_MAX = 64;

/** More server processes than any machine has use for. */
const WORKERS_MAX = 64;

/** The most starts of one worker that are told apart; later ones count from 2 again. */
export const WORKER_STARTS_MAX = 999_999;

const WORKER_SUFFIX_MAX = `-${WORKERS_MAX}-${WORKER_STARTS_MAX}`.length;

/** Reads and validates the environment; throws `config-invalid` naming every bad value. */
export function readGatewayConfig(env: Readonly<Record<string, string | undefined>>): GatewayConfig {
  const reader = new EnvReader(env);
  const workers = reader.wholeNumber("WORKERS", 1, 1, WORKERS_MAX);
  const transport = reader.oneOf("TRANSPORT", "auto", TRANSPORTS);
  if (workers > 1 && transport === "ws") {
    reader.problem("WORKERS", "must be 1 with TRANSPORT=ws: its processes can't share a port");
  }
  const redis = readRedisUrl(reader);
  if (workers > 1 && !redis.given) {
    reader.problem("WORKERS", "needs REDIS_URL: processes do not share the memory store");
  }
  const serverId = reader.text("SERVER_ID") ?? `gw-${randomBase36(6)}`;
  if (!isServerId(serverId)) {
    reader.problem("SERVER_ID", "must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -");
  } else if (workers > 1 && serverId.length > SERVER_ID_MAX - WORKER_SUFFIX_MAX) {
    const max = SERVER_ID_MAX - WORKER_SUFFIX_MAX;
    reader.problem("SERVER_ID", `must leave room for the workers' numbers: at most ${max} characters`);
  }
  const redisPrefix = reader.text("REDIS_PREFIX") ?? "cm";
  if (!/^[A-Za-z0-9:_-]{1,64}$/.test(redisPrefix)) {
    reader.problem("REDIS_PREFIX", "must be 1 to 64 characters of A-Z, a-z, 0-9, :, _ and -");
  }
  const port = reader.wholeNumber("PORT", 3000, 0, 65_535);
  if (workers > 1 && port === 0 && reader.areGood("PORT"))
    reader.problem("PORT", "must be given where WORKERS share it");
  const heartbeatIntervalMs = reader.wholeNumber("HEARTBEAT_INTERVAL_MS", 30_000, 100, DAY_MS / 2);
  const leaseTtlMs = 1000 * reader.wholeNumber("HEARTBEAT_TTL_SECONDS", 90, 1, DAY_MS / 1000);
  const judgeable = reader.areGood("HEARTBEAT_INTERVAL_MS", "HEARTBEAT_TTL_SECONDS");
  if (judgeable && leaseTtlMs <= heartbeatIntervalMs) {
    reader.problem("HEARTBEAT_TTL_SECONDS", `must be more than HEARTBEAT_INTERVAL_MS (${heartbeatIntervalMs} ms)`);
  }
  const worker = readWorker(reader, workers);
  const listenHost = reader.host("LISTEN_HOST", "127.0.0.1");
  const tokens = readAuthentication(reader, listenHost);
  const allowedOrigins = readAllowedOrigins(reader);
  if (tokens?.sources?.includes("cookie") && allowedOrigins === undefined && !isLoopback(listenHost)) {
    reader.problem("ALLOWED_ORIGINS", "must be given where TOKEN_SOURCES names cookie: any page could use the cookie");
  }
  const admin = readAdmin(reader, { port, workers, worker });
  const idleTimeoutMs = reader.wholeNumber("IDLE_TIMEOUT_MS", 120_000, 8_000, 900_000);
  const maxBackpressureBytes = reader.wholeNumber("MAX_BACKPRESSURE_BYTES", 1_048_576, 65_536, 67_108_864);
  const config: GatewayConfig = {
    port,
    transport,
    listenHost,
    serverHost: reader.host("SERVER_HOST", "localhost"),
    serverId: worker === undefined ? serverId : `${serverId}-${worker}`,
    redisUrl: redis.url,
    redisPrefix,
    heartbeatIntervalMs,
    leaseTtlMs,
    deadAfterMs: readDeadAfter(reader),
    staleConnectionTimeoutMs: reader.wholeNumber("STALE_CONNECTION_TIMEOUT_MS", 1_800_000, 1_000, DAY_MS),
    cleanupIntervalMs: reader.wholeNumber("CLEANUP_INTERVAL_MS", 300_000, 100, DAY_MS),
    connectionTtlMs: 1000 * reader.wholeNumber("CONNECTION_TTL_SECONDS", 3_600, 1, DAY_MS / 1000),
    offlineGraceMs: reader.wholeNumber("OFFLINE_GRACE_MS", 5_000, 0, 3_600_000),
    lastSeenTtlMs: 1000 * reader.wholeNumber("LAST_SEEN_TTL_SECONDS", 86_400, 0, (365 * DAY_MS) / 1000),
    drainMs: 1000 * reader.wholeNumber("DRAIN_SECONDS", redis.given ? 10 : 0, 0, 3_600),
    shutdownTimeoutMs: reader.wholeNumber("SHUTDOWN_TIMEOUT_MS", 10_000, 100, 600_000),
    maxConnections: reader.wholeNumber("MAX_CONNECTIONS", 10_000, 1, 1_000_000),
    maxConnectionsPerAddress: reader.wholeNumber("MAX_CONNECTIONS_PER_ADDRESS", 1_000, 0, 1_000_000),
    maxUpgradesPerSecondPerAddress: reader.wholeNumber("MAX_UPGRADES_PER_SECOND_PER_ADDRESS", 100, 0, 1_000_000),
    maxConnectionsPerUser: reader.wholeNumber("MAX_CONNECTIONS_PER_USER", 1_000, 0, 1_000_000),
    connectionsPerUserPolicy: reader.oneOf("CONNECTIONS_PER_USER_POLICY", "refuse", USER_LIMIT_POLICIES),
    trustedProxies: readTrustedProxies(reader),
    maxHeadBytes: reader.wholeNumber("MAX_HEAD_BYTES", 16_384, 1_024, 65_536),
    maxFrameBytes: reader.wholeNumber("MAX_FRAME_BYTES", 16_384, 1_024, 1_048_576),
    maxBackpressureBytes,
    maxTotalBackpressureBytes: reader.wholeNumber("MAX_TOTAL_BACKPRESSURE_BYTES", 268_435_456, 0, 2 ** 40),
    maxSequencers: reader.wholeNumber("MAX_SEQUENCERS", 100_000, 1, 10_000_000),
    maxMemberships: reader.wholeNumber("MAX_MEMBERSHIPS", membershipsThatFit(), 0, 1_000_000_000),
    maxServerRooms: reader.wholeNumber("MAX_SERVER_ROOMS", roomsThatFit(), 0, 1_000_000_000),
    roomWindowMs: readRoomWindow(reader),
    maxRooms: reader.wholeNumber("MAX_ROOMS_PER_CONNECTION", 100, 1, 10_000),
    maxRequestsPerSecond: reader.wholeNumber("MAX_REQUESTS_PER_SECOND", 100, 1, 100_000),
    maxFanoutPerSecond: reader.wholeNumber("MAX_FANOUT_PER_SECOND", 100_000, 0, 1_000_000_000),
    maxFanoutPercent: reader.wholeNumber("MAX_FANOUT_PERCENT", 50, 0, 100),
    idleTimeoutMs,
    pingIntervalMs: readPingInterval(reader, idleTimeoutMs),
    allowedOrigins,
    tokens,
    tokenWarningMs: 1000 * reader.wholeNumber("TOKEN_WARNING_SECONDS", 30, 0, DAY_MS / 1000),
    tokenGraceMs: 1000 * reader.wholeNumber("TOKEN_GRACE_SECONDS", 5, 0, DAY_MS / 1000),
    admin,
    publicStats: reader.flag("PUBLIC_STATS", tokens === undefined && admin === undefined && isLoopback(listenHost)),
    page: reader.flag("PAGE", tokens === undefined),
    recoverableRooms: readRoomBeginnings(reader, "RECOVERABLE_ROOMS"),
    ...readSlowReaders(reader, maxBackpressureBytes),
    showServerIds: reader.flag("SHOW_SERVER_IDS", false),
    workers,
    worker,
    logLevel: reader.oneOf("LOG_LEVEL", "info", LOG_LEVELS),
    logFormat: reader.oneOf("LOG_FORMAT", "json", ["json", "text"]),
    warnings: [...reader.warnings, ...misspeltVariables(env, reader.asked)],
  };
  reader.finish();
  return config;
}

/** Tokens, or `undefined` where a client may claim any user: on a loopback address, or where `OPEN` says so. */
function readAuthentication(reader: EnvReader, listenHost: string): TokenVerifierOptions | undefined {
  const isOpen = reader.flag("OPEN", false);
  const tokens = readTokens(reader);
  if (tokens !== undefined) {
    if (isOpen) reader.problem("OPEN", "can't be true where tokens are verified");
    try {
      createTokenVerifier(tokens);
    } catch (error) {
      if (!isCmError(error)) throw error;
      const name = variableOf(String(error.details?.field));
      // A file that could not be read has been told of.
      if (reader.areGood("TOKEN_PUBLIC_KEY_FILE"))
        reader.problem(name, `can't be used: ${error.message.replace(/\.$/, "")}`);
    }
    return tokens;
  }
  if (isOpen) {
    reader.warn("OPEN: every client is who it says it is, may join every room and write to everybody");
  } else if (
    !isLoopback(listenHost) &&
    reader.areGood("LISTEN_HOST", "TOKEN_PUBLIC_KEY", "TOKEN_PUBLIC_KEY_FILE", "TOKEN_JWKS_URL")
  ) {
    reader.problem(
      "LISTEN_HOST",
      "is no loopback address, and clients are not authenticated: set TOKEN_SECRET, TOKEN_PUBLIC_KEY or TOKEN_JWKS_URL, or OPEN=true for a trial",
    );
  }
  return undefined;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

function readDeadAfter(reader: EnvReader): number {
  const deadAfterMs = reader.wholeNumber("DEAD_AFTER_MS", 5_000, 0, 3_600_000);
  if (deadAfterMs > 0 && deadAfterMs < 500) reader.problem("DEAD_AFTER_MS", "must be 0, or 500 or more");
  return deadAfterMs;
}

function readRoomWindow(reader: EnvReader): RoomWindow {
  const text = reader.text("ROOM_WINDOW_MS");
  if (text === undefined || text === "auto") return "auto";
  if (/^\d{1,3}$/.test(text) && Number(text) <= ROOM_WINDOW_MAX_MS) return Number(text);
  reader.problem("ROOM_WINDOW_MS", `must be auto or a whole number from 0 to ${ROOM_WINDOW_MAX_MS}`);
  return "auto";
}

type SlowReaders = Pick<GatewayConfig, "slowReaderDropRooms" | "slowReaderLatestRooms" | "slowReaderBytes">;

function readSlowReaders(reader: EnvReader, maxBackpressureBytes: number): SlowReaders {
  const slowReaderDropRooms = readRoomBeginnings(reader, "SLOW_READER_DROP_ROOMS");
  const slowReaderLatestRooms = readRoomBeginnings(reader, "SLOW_READER_LATEST_ROOMS");
  const both = slowReaderLatestRooms.find((beginning) => slowReaderDropRooms.includes(beginning));
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
    reader.problem("ADMIN_PORT", "must leave PORT alone, for each worker");
  }
  const index = Number(worker?.split("-")[0] ?? 1);
  return { port: first === 0 ? 0 : first + index - 1, host };
}

function readWorker(reader: EnvReader, workers: number): string | undefined {
  const worker = reader.text("CM_WORKER");
  if (worker === undefined) return undefined;
  const [index = "", start = "1", ...rest] = worker.split("-");
  const isNumber = (text: string, max: number): boolean => /^[1-9]\d{0,5}$/.test(text) && Number(text) <= max;
  if (!isNumber(index, WORKERS_MAX) || !isNumber(start, WORKER_STARTS_MAX) || rest.length > 0) {
    reader.problem("CM_WORKER", "must be a worker's number, such as 1 or 1-2; it is not for people to set");
  } else if (reader.areGood("WORKERS") && workers === 1) {
    reader.problem("CM_WORKER", "is for the workers that WORKERS asks for; it is not for people to set");
  }
  return worker;
}
