import { isServerId, type OnError, randomBase36, type Store } from "@cm/protocol";
import type { Gap } from "@cm/router";
import { invalid } from "../option-error.js";

/** What {@link createConnectionManager} takes. Everything has a default. */
export interface ConnectionManagerOptions {
  /**
   * Where Redis is: `redis://`, `redis+sentinel://` or `redis+cluster://`; see
   * `createRedisStore`. Without it and without `store` the manager is alone, in the memory
   * of this process.
   */
  readonly redisUrl?: string;
  /**
   * A started store of the application's own, for this manager alone; it is not closed
   * here, and `prefix`, `connectionTTL` and `sessionTTL` are its own.
   */
  readonly store?: Store;
  /**
   * Id of this server, which no other living one has: 1 to 64 of `A-Z a-z 0-9 _ -`.
   * Default: random.
   */
  readonly serverInstance?: string;
  /** Where other machines reach this server; told to them, not interpreted. Default `localhost`. */
  readonly host?: string;
  /** Default 0. */
  readonly port?: number;
  /** Time between heartbeats, in milliseconds. Default 30,000; 100 to a day. */
  readonly heartbeatInterval?: number;
  /** How long the server counts as alive without one, in seconds. Default 60; more than the interval. */
  readonly heartbeatTTL?: number;
  /** A connection that was silent for so long is closed, in milliseconds. Default 1,800,000 (30 min). */
  readonly staleConnectionTimeout?: number;
  /** Time between looks for stale connections, in milliseconds. Default 300,000 (5 min). */
  readonly cleanupInterval?: number;
  /** How long Redis keeps connections that nobody renews, in seconds. Default 3,600 (an hour). */
  readonly connectionTTL?: number;
  /** How long a game lasts without activity, in seconds. Default 7,200 (2 h). */
  readonly sessionTTL?: number;
  /** In front of every key and channel in Redis. Default `cm`. */
  readonly prefix?: string;
  /**
   * How long a user whose last connection closed still counts as online, in milliseconds:
   * a reload is no change. Default 5,000; 0 to 3,600,000.
   */
  readonly offlineGraceMs?: number;
  /** Connections that this server is made for; more work too. Default 10,000. */
  readonly maxConnections?: number;
  /** The largest event, in bytes of its JSON. Default 65,536; 64 to 16,777,216. */
  readonly maxEventBytes?: number;
  /** A stale connection was closed: whoever owns its socket closes it. Must not throw. */
  readonly onStale?: (connection: { readonly userId: string; readonly socketId: string }) => void;
  /**
   * Events for a game's handlers are missing (`room`), or may be; see `Gap`. Must not throw.
   */
  readonly onGap?: (gap: Gap) => void;
  /** Failures that no caller is waiting for. Must not throw. Default: a process warning each. */
  readonly onError?: OnError;
  /** Takes advice about options. Default: a process warning each. */
  readonly onWarning?: (message: string) => void;
}

/** {@link ConnectionManagerOptions} with every default filled in, all times in milliseconds. */
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
  readonly sessionTtlMs: number;
  readonly prefix: string | undefined;
  readonly offlineGraceMs: number;
  readonly maxConnections: number;
  readonly maxEventBytes: number;
  readonly onStale: (connection: { readonly userId: string; readonly socketId: string }) => void;
  readonly onGap: (gap: Gap) => void;
  readonly onError: OnError;
  /** What is unwise, but can be done. */
  readonly warnings: readonly string[];
}

/** A day: no interval of a server's life is longer, and timers overflow not far above. */
const LONGEST_MS = 86_400_000;

/** Fills in the defaults; throws `options-invalid`. Tells `onWarning` nothing itself. */
export function resolveConnectionManagerOptions(options: ConnectionManagerOptions): ResolvedConnectionManagerOptions {
  if (typeof options !== "object" || options === null) throw invalid("options", "an object");
  const { serverInstance = `server-${randomBase36(12)}`, host = "localhost", onWarning } = options;
  const { onError = (error) => process.emitWarning(error), onStale = nothing, onGap = nothing } = options;
  if (!isServerId(serverInstance)) throw invalid("serverInstance", "1 to 64 characters of A-Z, a-z, 0-9, _ and -");
  if (typeof host !== "string" || host.length === 0 || host.length > 255) {
    throw invalid("host", "a string of 1 to 255 characters");
  }
  for (const [field, value] of Object.entries({ onError, onStale, onGap, onWarning })) {
    if (value !== undefined && typeof value !== "function") throw invalid(field, "a function");
  }
  const heartbeatIntervalMs = wholeNumber("heartbeatInterval", options.heartbeatInterval ?? 30_000, 100, LONGEST_MS);
  const leaseTtlMs = seconds("heartbeatTTL", options.heartbeatTTL ?? 60, 0.2, LONGEST_MS / 1_000);
  if (leaseTtlMs <= heartbeatIntervalMs) {
    throw invalid("heartbeatTTL", `more than the heartbeat interval (${heartbeatIntervalMs} ms)`);
  }
  const isChosen = options.heartbeatInterval !== undefined || options.heartbeatTTL !== undefined;
  const isTight = isChosen && leaseTtlMs <= 2 * heartbeatIntervalMs;
  return {
    redisUrl: options.redisUrl,
    store: options.store,
    serverInstance,
    host,
    port: wholeNumber("port", options.port ?? 0, 0, 65_535),
    heartbeatIntervalMs,
    leaseTtlMs,
    staleConnectionTimeoutMs: wholeNumber(
      "staleConnectionTimeout",
      options.staleConnectionTimeout ?? 1_800_000,
      1_000,
      LONGEST_MS,
    ),
    cleanupIntervalMs: wholeNumber("cleanupInterval", options.cleanupInterval ?? 300_000, 100, LONGEST_MS),
    connectionTtlMs: seconds("connectionTTL", options.connectionTTL ?? 3_600, 1, LONGEST_MS / 1_000),
    sessionTtlMs: seconds("sessionTTL", options.sessionTTL ?? 7_200, 1, 2 ** 30),
    prefix: options.prefix,
    offlineGraceMs: wholeNumber("offlineGraceMs", options.offlineGraceMs ?? 5_000, 0, 3_600_000),
    maxConnections: wholeNumber("maxConnections", options.maxConnections ?? 10_000, 1, 10_000_000),
    maxEventBytes: wholeNumber("maxEventBytes", options.maxEventBytes ?? 65_536, 64, 16_777_216),
    onStale,
    onGap,
    onError,
    warnings: isTight
      ? [
          `heartbeatTTL (${leaseTtlMs / 1_000} s) is not more than twice heartbeatInterval (${heartbeatIntervalMs} ms): one late heartbeat takes this server's users offline.`,
        ]
      : [],
  };
}

function nothing(): void {}

/** In milliseconds. */
function seconds(field: string, value: number, min: number, max: number): number {
  if (typeof value === "number" && value >= min && value <= max) return Math.round(value * 1_000);
  throw invalid(field, `a number of seconds from ${min} to ${max}`);
}

function wholeNumber(field: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw invalid(field, `a whole number from ${min} to ${max}`);
}
