import { createFailureWarnings } from "@cm/node";
import type { OnError, Store } from "@cm/protocol";
import { optionInvalid, requireFlag, requireFunction, requireOptions, requireWholeNumber } from "@cm/protocol/options";
import type { Gap } from "@cm/router";
import {
  isTtlTight,
  type ResolvedHeartbeatOptions,
  resolveHeartbeatOptions,
  tightTtlWarning,
} from "../heartbeat-options.js";

/**
 * Decides whether the token allows the user to use the socket. If it throws, the registration fails:
 * with the error itself if it is a `CmError`, otherwise with `internal`.
 */
export type VerifyToken<S> = (token: string, userId: string, socket: S) => boolean | Promise<boolean>;

/** Options of {@link createDistributedConnectionManager}. */
export interface DistributedConnectionManagerOptions<S = unknown> {
  /**
   * The URL of the Redis that all servers share; see `RedisStoreOptions.url`. Without it and without
   * `store`, everything is in the memory of this process and other servers don't see it; a warning is
   * emitted.
   */
  readonly redisUrl?: string | undefined;
  /** A started store, instead of `redisUrl` and `prefix`. It is not closed by `shutdown`. */
  readonly store?: Store | undefined;
  /** Prefix of every key and channel in Redis. Default `cm`. */
  readonly prefix?: string | undefined;
  /**
   * The server id: 1 to 64 characters of `A-Z a-z 0-9 _ -`, unique among living servers. Default:
   * `server-` and 12 random characters.
   */
  readonly serverId?: string | undefined;
  /** The host at which others reach this server; listed for them, not interpreted. Default `localhost`. */
  readonly serverHost?: string | undefined;
  /** The port on `serverHost` at which others reach this server, 0 to 65,535; listed, not interpreted. Default 0. */
  readonly serverPort?: number | undefined;
  /** Time between heartbeats, in milliseconds. Default 30,000; 100 to 3,600,000. */
  readonly heartbeatInterval?: number | undefined;
  /**
   * Time after a server's last heartbeat until its lease expires, in seconds. A process that died is usually
   * detected before, after about 5 s. Must be more than `heartbeatInterval`; a warning is emitted if it is not more
   * than twice `heartbeatInterval`. Default 90; up to 86,400.
   */
  readonly heartbeatTTL?: number | undefined;
  /**
   * Time without hearing from a connection after which it is closed, in milliseconds. Default 1,800,000; 1,000 or
   * more.
   */
  readonly staleConnectionTimeout?: number | undefined;
  /** Time between checks for stale connections, in milliseconds. Default 300,000; 100 or more. */
  readonly cleanupInterval?: number | undefined;
  /**
   * Verifies the token of every registration, within 10 seconds. Without it **every token is
   * accepted**: the caller of `registerConnection` must then have authenticated the user before.
   */
  readonly verifyToken?: VerifyToken<S> | undefined;
  /**
   * Whether the members of a room are notified when a user leaves (see `DepartureMessage`). This server
   * then keeps a list of all members of the rooms that its sockets are in. Default `true`.
   */
  readonly announceDepartures?: boolean | undefined;
  /** Maximum size of a message, in bytes of JSON. Default 65,536; 1 to 16,777,216. */
  readonly maxMessageBytes?: number | undefined;
  /** Called for each gap in the messages from other servers. Default: nothing. */
  readonly onGap?: ((gap: Gap) => void) | undefined;
  /**
   * Receives failures that no caller is waiting for, and what `onGap` throws. Must not throw. Default: a process
   * warning that names the stage, one per minute for failures of one kind.
   */
  readonly onError?: OnError | undefined;
  /** Receives warnings about these options. Must not throw. Default: a process warning for each. */
  readonly onWarning?: ((warning: string) => void) | undefined;
}

/** {@link DistributedConnectionManagerOptions}, checked and with defaults filled in. */
export interface ResolvedDistributedOptions<S> extends ResolvedHeartbeatOptions {
  readonly redisUrl: string | undefined;
  readonly store: Store | undefined;
  readonly prefix: string | undefined;
  readonly serverId: string | undefined;
  readonly serverHost: string;
  readonly serverPort: number;
  readonly verifyToken: VerifyToken<S> | undefined;
  readonly announceDepartures: boolean;
  readonly maxMessageBytes: number;
  readonly onGap: (gap: Gap) => void;
  readonly onError: OnError;
}

const KNOWN: Readonly<Record<keyof DistributedConnectionManagerOptions, true>> = {
  redisUrl: true,
  store: true,
  prefix: true,
  serverId: true,
  serverHost: true,
  serverPort: true,
  heartbeatInterval: true,
  heartbeatTTL: true,
  staleConnectionTimeout: true,
  cleanupInterval: true,
  verifyToken: true,
  announceDepartures: true,
  maxMessageBytes: true,
  onGap: true,
  onError: true,
  onWarning: true,
};

const DEFAULT_TTL_MS = 90_000;

/** Fills in the defaults and emits warnings. Throws `options-invalid`. */
export function resolveDistributedOptions<S>(
  given: DistributedConnectionManagerOptions<S>,
): ResolvedDistributedOptions<S> {
  const options = requireOptions(given, KNOWN);
  const { redisUrl, store, verifyToken } = options;
  if (redisUrl !== undefined && store !== undefined) throw optionInvalid("redisUrl", "omitted if a store is given");
  if (redisUrl !== undefined && typeof redisUrl !== "string") throw optionInvalid("redisUrl", "a string");
  const onWarning = requireFunction(
    "onWarning",
    options.onWarning ?? ((warning: string) => process.emitWarning(warning)),
  );
  const heartbeat = resolveHeartbeatOptions(options, DEFAULT_TTL_MS);
  const resolved: ResolvedDistributedOptions<S> = {
    redisUrl,
    store,
    prefix: options.prefix,
    serverId: options.serverId,
    serverHost: text("serverHost", options.serverHost ?? "localhost"),
    serverPort: requireWholeNumber("serverPort", options.serverPort ?? 0, { min: 0, max: 65_535 }),
    ...heartbeat,
    verifyToken: verifyToken === undefined ? undefined : requireFunction("verifyToken", verifyToken),
    announceDepartures: requireFlag("announceDepartures", options.announceDepartures ?? true),
    maxMessageBytes: requireWholeNumber(
      "maxMessageBytes",
      options.maxMessageBytes ?? 65_536,
      { min: 1, max: 16_777_216 },
      "bytes",
    ),
    onGap: requireFunction("onGap", options.onGap ?? (() => undefined)),
    onError: requireFunction("onError", options.onError ?? createFailureWarnings()),
  };
  if (isTtlTight(heartbeat)) {
    onWarning(tightTtlWarning(heartbeat, "one heartbeat that comes late is enough to lose the lease."));
  }
  if (redisUrl === undefined && store === undefined) {
    onWarning("There is neither a redisUrl nor a store: connections and rooms are not shared with other servers.");
  }
  return resolved;
}

function text(field: string, value: unknown): string {
  if (typeof value === "string" && value.length > 0 && value.length <= 255) return value;
  throw optionInvalid(field, "a string of 1 to 255 characters");
}
