import { createFailureWarnings } from "@cm/node";
import { isServerId, type OnError, randomBase36, type Store } from "@cm/protocol";
import {
  guardedCallback,
  LONGEST_DURATION_MS,
  optionInvalid,
  requireDurationMs,
  requireFunction,
  requireOptions,
  requireWholeNumber,
} from "@cm/protocol/options";
import type { Gap } from "@cm/router";
import {
  DEFAULT_HEARTBEAT_INTERVAL_MS,
  isTtlTight,
  requireSeconds,
  resolveHeartbeatOptions,
  tightTtlWarning,
} from "../heartbeat-options.js";

/** Options of {@link createConnectionManager}. Every option has a default. */
export interface ConnectionManagerOptions {
  /**
   * The URL of Redis: `redis://`, `redis+sentinel://` or `redis+cluster://`; see `createRedisStore`.
   * Without it and without `store`, the manager stands alone, with its data in the memory of this
   * process; a warning is emitted.
   */
  readonly redisUrl?: string | undefined;
  /**
   * A started store of the application's own, for this manager alone. The manager does not close it,
   * and ignores `prefix`, `connectionTTL` and `sessionTTL`, which are then settings of that store.
   */
  readonly store?: Store | undefined;
  /**
   * The id of this server: 1 to 64 characters of `A-Z a-z 0-9 _ -`, different from that of any other
   * living server. Default: random.
   */
  readonly serverInstance?: string | undefined;
  /**
   * The host at which other machines reach this server; listed for them, not interpreted. Default
   * `localhost`.
   */
  readonly host?: string | undefined;
  /** The port on that host, 0 to 65,535. Default 0. */
  readonly port?: number | undefined;
  /** Time between heartbeats, in milliseconds. Default 30,000; 100 to 3,600,000. */
  readonly heartbeatInterval?: number | undefined;
  /**
   * Time after the server's last heartbeat until its lease expires, in seconds. A process that died is usually
   * detected before, after about 5 s. Default 60; more than `heartbeatInterval`.
   */
  readonly heartbeatTTL?: number | undefined;
  /** Time without activity after which a connection is closed, in milliseconds. Default 1,800,000 (30 min). */
  readonly staleConnectionTimeout?: number | undefined;
  /** Time between checks for stale connections, in milliseconds. Default 300,000 (5 min). */
  readonly cleanupInterval?: number | undefined;
  /** How long Redis keeps connections that no server renews, in seconds. Default 3,600 (an hour). */
  readonly connectionTTL?: number | undefined;
  /** How long a game is kept without activity, in seconds. Default 7,200 (2 h). */
  readonly sessionTTL?: number | undefined;
  /** Prefix of every key and channel in Redis. Default `cm`. */
  readonly prefix?: string | undefined;
  /**
   * How long a user still counts as online after the last connection closed, in milliseconds, so that
   * reloading a page does not change the user's presence. Default 5,000; 0 to 3,600,000.
   */
  readonly offlineGraceMs?: number | undefined;
  /**
   * Maximum number of connections of this server; further ones are rejected with `capacity-reached`.
   * Default 10,000.
   */
  readonly maxConnections?: number | undefined;
  /** Maximum size of an event, in bytes of its JSON. Default 65,536; 64 to 16,777,216. */
  readonly maxEventBytes?: number | undefined;
  /** Called when a stale connection was closed, so that the application closes its socket. */
  readonly onStale?: ((connection: { readonly userId: string; readonly socketId: string }) => void) | undefined;
  /**
   * Called when events of a game are missing, or may be; `room` in the gap is the game's id. See `Gap`.
   */
  readonly onGap?: ((gap: Gap) => void) | undefined;
  /**
   * Receives failures that no caller is waiting for, and what `onStale` and `onGap` throw. Must not throw. Default: a
   * process warning that names the stage, one per minute for failures of one kind.
   */
  readonly onError?: OnError | undefined;
  /** Receives warnings about the options. Default: a process warning for each. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** {@link ConnectionManagerOptions} with defaults filled in, all times in milliseconds. */
export interface ResolvedConnectionManagerOptions {
  readonly redisUrl: string | undefined;
  readonly store: Store | undefined;
  readonly serverInstance: string;
  readonly host: string;
  readonly port: number;
  readonly heartbeatIntervalMs: number;
  readonly leaseTtlMs: number;
  readonly staleConnectionTimeoutMs: number;
  readonly cleanupIntervalMs: number;
  readonly connectionTtlMs: number;
  readonly roomRecordTtlMs: number;
  readonly prefix: string | undefined;
  readonly offlineGraceMs: number;
  readonly maxConnections: number;
  readonly maxEventBytes: number;
  readonly onStale: (connection: { readonly userId: string; readonly socketId: string }) => void;
  readonly onGap: (gap: Gap) => void;
  readonly onError: OnError;
  /** Warnings about options that are valid but not advisable. */
  readonly warnings: readonly string[];
}

const DEFAULT_TTL_MS = 60_000;

const ALONE =
  "There is neither a redisUrl nor a store (nor REDIS_URL or REDIS_HOST where initializeConnectionManager reads the " +
  "environment): users and games are in the memory of this process, and no other server sees them.";

const KNOWN: Readonly<Record<keyof ConnectionManagerOptions, true>> = {
  redisUrl: true,
  store: true,
  serverInstance: true,
  host: true,
  port: true,
  heartbeatInterval: true,
  heartbeatTTL: true,
  staleConnectionTimeout: true,
  cleanupInterval: true,
  connectionTTL: true,
  sessionTTL: true,
  prefix: true,
  offlineGraceMs: true,
  maxConnections: true,
  maxEventBytes: true,
  onStale: true,
  onGap: true,
  onError: true,
  onWarning: true,
};

/** Fills in the defaults. Throws `options-invalid`. Does not call `onWarning`. */
export function resolveConnectionManagerOptions(given: ConnectionManagerOptions): ResolvedConnectionManagerOptions {
  const options = requireOptions(given, KNOWN);
  const { serverInstance = `server-${randomBase36(12)}`, host = "localhost", onWarning } = options;
  const { onError = createFailureWarnings(), onStale = nothing, onGap = nothing } = options;
  if (!isServerId(serverInstance))
    throw optionInvalid("serverInstance", "1 to 64 characters of A-Z, a-z, 0-9, _ and -");
  if (typeof host !== "string" || host.length === 0 || host.length > 255) {
    throw optionInvalid("host", "a string of 1 to 255 characters");
  }
  for (const [field, value] of Object.entries({ onError, onStale, onGap, onWarning })) {
    if (value !== undefined) requireFunction(field, value);
  }
  const heartbeat = resolveHeartbeatOptions(options, DEFAULT_TTL_MS);
  const { heartbeatTtlMs: leaseTtlMs, ...intervals } = heartbeat;
  // No warning for the documented default values, even if they are given explicitly.
  const isDefault = heartbeat.heartbeatIntervalMs === DEFAULT_HEARTBEAT_INTERVAL_MS && leaseTtlMs === DEFAULT_TTL_MS;
  const isTight = !isDefault && isTtlTight(heartbeat);
  return {
    redisUrl: options.redisUrl,
    store: options.store,
    serverInstance,
    host,
    port: requireWholeNumber("port", options.port ?? 0, { min: 0, max: 65_535 }),
    ...intervals,
    leaseTtlMs,
    connectionTtlMs: requireSeconds("connectionTTL", options.connectionTTL ?? 3_600, 1, LONGEST_DURATION_MS / 1_000),
    roomRecordTtlMs: requireSeconds("sessionTTL", options.sessionTTL ?? 7_200, 1, 2 ** 30),
    prefix: options.prefix,
    offlineGraceMs: requireDurationMs("offlineGraceMs", options.offlineGraceMs ?? 5_000, 0, 3_600_000),
    maxConnections: requireWholeNumber("maxConnections", options.maxConnections ?? 10_000, { min: 1, max: 10_000_000 }),
    maxEventBytes: requireWholeNumber(
      "maxEventBytes",
      options.maxEventBytes ?? 65_536,
      { min: 64, max: 16_777_216 },
      "bytes",
    ),
    onStale: guardedCallback("onStale", onStale, onError, undefined),
    onGap,
    onError,
    warnings: [
      ...(options.redisUrl === undefined && options.store === undefined ? [ALONE] : []),
      ...(isTight ? [tightTtlWarning(heartbeat, "one late heartbeat takes this server's users offline.")] : []),
    ],
  };
}

function nothing(): void {}
