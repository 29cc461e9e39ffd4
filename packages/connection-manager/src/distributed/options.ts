import type { CmError, OnError, Store } from "@cm/protocol";
import type { Gap } from "@cm/router";
import { invalid } from "../option-error.js";

/**
 * Says whether the token lets the socket be the user's. What it throws fails the
 * registration: a `CmError` as it is, anything else as `internal`.
 */
export type VerifyToken<S> = (token: string, userId: string, socket: S) => boolean | Promise<boolean>;

/** What {@link createDistributedConnectionManager} may be told. */
export interface DistributedConnectionManagerOptions<S = unknown> {
  /**
   * The Redis that all servers share; see `RedisStoreOptions.url`. Without it and without
   * `store` everything is in this process' memory, which is warned of: no other server
   * sees it.
   */
  readonly redisUrl?: string | undefined;
  /** A started store, instead of `redisUrl`. It is not closed by `shutdown`. */
  readonly store?: Store | undefined;
  /** In front of every key and channel of Redis. Default `cm`. */
  readonly prefix?: string | undefined;
  /** 1 to 64 of `A-Z a-z 0-9 _ -`, unique among living servers. Default: `server-` and 12 random characters. */
  readonly serverId?: string | undefined;
  /** Where others reach this server; told to them, not interpreted. Default `localhost`. */
  readonly serverHost?: string | undefined;
  /** 0 to 65,535. Default 0. */
  readonly serverPort?: number | undefined;
  /** Time between heartbeats, in milliseconds. Default 30,000; 100 to 3,600,000. */
  readonly heartbeatInterval?: number | undefined;
  /**
   * How long a silent server is believed alive, in seconds. More than the interval, and
   * warned of where it is not more than twice that. Default 90; up to 86,400.
   */
  readonly heartbeatTTL?: number | undefined;
  /** A connection that was silent for so long is closed, in milliseconds. Default 1,800,000; 1,000 or more. */
  readonly staleConnectionTimeout?: number | undefined;
  /** Time between looks for stale connections, in milliseconds. Default 300,000; 100 or more. */
  readonly cleanupInterval?: number | undefined;
  /**
   * Decides about every registration, within 10 seconds. Without it **every token passes**:
   * then whoever calls `registerConnection` must have checked the user before.
   */
  readonly verifyToken?: VerifyToken<S> | undefined;
  /**
   * Whether the members of a room are told who is gone (see `DepartureMessage`). Costs this
   * server a list of all members of the rooms that its sockets are in. Default `true`.
   */
  readonly announceDepartures?: boolean | undefined;
  /** The largest message, in bytes of JSON. Default 65,536; 1 to 16,777,216. */
  readonly maxMessageBytes?: number | undefined;
  /** Called for each hole in what came from other servers. Must not throw. Default: nothing. */
  readonly onGap?: ((gap: Gap) => void) | undefined;
  /** Failures that no caller is waiting for. Must not throw. Default: a process warning each. */
  readonly onError?: OnError | undefined;
  /** Takes warnings about these options. Must not throw. Default: a process warning each. */
  readonly onWarning?: ((warning: string) => void) | undefined;
}

/** {@link DistributedConnectionManagerOptions}, complete and checked. */
export interface ResolvedDistributedOptions<S> {
  readonly redisUrl: string | undefined;
  readonly store: Store | undefined;
  readonly prefix: string | undefined;
  readonly serverId: string | undefined;
  readonly serverHost: string;
  readonly serverPort: number;
  readonly heartbeatIntervalMs: number;
  readonly heartbeatTtlMs: number;
  readonly staleConnectionTimeoutMs: number;
  readonly cleanupIntervalMs: number;
  readonly verifyToken: VerifyToken<S> | undefined;
  readonly announceDepartures: boolean;
  readonly maxMessageBytes: number;
  readonly onGap: (gap: Gap) => void;
  readonly onError: OnError;
}

/** A day: timers overflow not far above. */
const LONGEST_MS = 86_400_000;

/** Fills in the defaults and gives warnings; throws `options-invalid`. */
export function resolveDistributedOptions<S>(
  options: DistributedConnectionManagerOptions<S>,
): ResolvedDistributedOptions<S> {
  if (typeof options !== "object" || options === null) throw invalid("options", "an object");
  const { redisUrl, store, verifyToken } = options;
  if (redisUrl !== undefined && store !== undefined) throw invalid("redisUrl", "left out where a store is given");
  if (redisUrl !== undefined && typeof redisUrl !== "string") throw invalid("redisUrl", "a string");
  const onWarning = callable("onWarning", options.onWarning ?? ((warning: string) => process.emitWarning(warning)));
  const resolved: ResolvedDistributedOptions<S> = {
    redisUrl,
    store,
    prefix: options.prefix,
    serverId: options.serverId,
    serverHost: text("serverHost", options.serverHost ?? "localhost"),
    serverPort: whole("serverPort", options.serverPort ?? 0, 0, 65_535),
    heartbeatIntervalMs: whole("heartbeatInterval", options.heartbeatInterval ?? 30_000, 100, 3_600_000),
    heartbeatTtlMs: seconds("heartbeatTTL", options.heartbeatTTL ?? 90),
    staleConnectionTimeoutMs: whole(
      "staleConnectionTimeout",
      options.staleConnectionTimeout ?? 1_800_000,
      1_000,
      LONGEST_MS,
    ),
    cleanupIntervalMs: whole("cleanupInterval", options.cleanupInterval ?? 300_000, 100, LONGEST_MS),
    verifyToken: verifyToken === undefined ? undefined : callable("verifyToken", verifyToken),
    announceDepartures: flag("announceDepartures", options.announceDepartures ?? true),
    maxMessageBytes: whole("maxMessageBytes", options.maxMessageBytes ?? 65_536, 1, 16_777_216),
    onGap: callable("onGap", options.onGap ?? (() => undefined)),
    onError: callable("onError", options.onError ?? ((error: CmError) => process.emitWarning(error))),
  };
  requireLease(resolved, onWarning);
  if (redisUrl === undefined && store === undefined) {
    onWarning("There is neither a redisUrl nor a store: connections and rooms are not shared with other servers.");
  }
  return resolved;
}

function requireLease<S>(
  { heartbeatIntervalMs, heartbeatTtlMs }: ResolvedDistributedOptions<S>,
  onWarning: (warning: string) => void,
): void {
  if (heartbeatTtlMs <= heartbeatIntervalMs) {
    throw invalid("heartbeatTTL", "longer, in seconds, than heartbeatInterval is in milliseconds");
  }
  if (heartbeatTtlMs > 2 * heartbeatIntervalMs) return;
  onWarning(
    `heartbeatTTL (${heartbeatTtlMs / 1000} s) is not more than twice heartbeatInterval (${heartbeatIntervalMs} ms): ` +
      "one heartbeat that comes late is enough to lose the lease.",
  );
}

function whole(field: string, value: unknown, min: number, max: number): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
  throw invalid(field, `a whole number from ${min} to ${max}`);
}

/** Seconds, to the millisecond, as milliseconds. */
function seconds(field: string, value: unknown): number {
  if (typeof value === "number" && value >= 0.2 && value <= LONGEST_MS / 1000) return Math.round(value * 1000);
  throw invalid(field, `a number of seconds from 0.2 to ${LONGEST_MS / 1000}`);
}

function flag(field: string, value: unknown): boolean {
  if (typeof value === "boolean") return value;
  throw invalid(field, "true or false");
}

function text(field: string, value: unknown): string {
  if (typeof value === "string" && value.length > 0 && value.length <= 255) return value;
  throw invalid(field, "a string of 1 to 255 characters");
}

function callable<F extends (...args: never[]) => unknown>(field: string, value: F): F {
  if (typeof value === "function") return value;
  throw invalid(field, "a function");
}
