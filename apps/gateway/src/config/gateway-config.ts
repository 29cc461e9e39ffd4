import type { TokenVerifierOptions } from "@cm/auth";
import type { RoomWindow } from "@cm/transport";
import type { UserLimitPolicy } from "../session/user-places.js";

/**
 * Everything that the environment decides about a gateway. docs/configuration.md is made of these
 * comments: each begins with its variables, or has a line `- ` for each of them, and names the default
 * in a sentence that begins with "Default".
 */
export interface GatewayConfig {
  /** `PORT`: where clients connect; 0 picks a free port. Default 3000. */
  readonly port: number;
  /**
   * `TRANSPORT`: `uws`; `ws`, which needs no native code and serves with one process; `auto`: `uws` where
   * uWebSockets.js is installed or `WORKERS` is more than 1, else `ws`, with a warning. Default `auto`.
   */
  readonly transport: Transport;
  /**
   * `LISTEN_HOST`: the local address to listen on; `0.0.0.0` for all of them, which needs tokens or `OPEN`.
   * Default 127.0.0.1.
   */
  readonly listenHost: string;
  /** `SERVER_HOST`: how other machines reach this server, told to them in the registry. Default localhost. */
  readonly serverHost: string;
  /**
   * `SERVER_ID`: 1 to 64 characters of `A-Z a-z 0-9 _ -`, unique among living servers. With `WORKERS` at most
   * 54: worker 1 is `<id>-1`, and `<id>-1-2` once it had to be started again. Default: random.
   */
  readonly serverId: string;
  /**
   * - `REDIS_URL`: `redis://`, `rediss://`, `redis+cluster://` or `redis+sentinel://`, with the parameters of
   *   docs/redis.md. Without any Redis variable the store is in memory. It wins over the four
   *   below, with a warning. Default: none.
   * - `REDIS_HOST`, `REDIS_PORT`, `REDIS_PASSWORD`, `REDIS_DB`: instead of a URL; one of them is enough.
   *   `REDIS_PORT` may be `tcp://host:port`, as Kubernetes sets it. Default: localhost, 6379, none, 0.
   */
  readonly redisUrl: string | undefined;
  /** `REDIS_PREFIX`: in front of every key and channel. Default `cm`. */
  readonly redisPrefix: string;
  /** `HEARTBEAT_INTERVAL_MS`: time between heartbeats. Default 30,000. */
  readonly heartbeatIntervalMs: number;
  /** `HEARTBEAT_TTL_SECONDS`: the lease, which is how long a silent server is believed alive. Default 90. */
  readonly leaseTtlMs: number;
  /**
   * `DEAD_AFTER_MS`: a server that gave no sign of life for this long, and whose process does not listen on
   * Redis any more, is removed though its lease lives; 0: the lease alone decides. Default 5,000.
   */
  readonly deadAfterMs: number;
  /** `STALE_CONNECTION_TIMEOUT_MS`: a connection that was silent for this long is closed. Default 1,800,000. */
  readonly staleConnectionTimeoutMs: number;
  /**
   * `CLEANUP_INTERVAL_MS`: time between looks for stale connections, and the time within which all partitions
   * of the store are reconciled. Default 300,000.
   */
  readonly cleanupIntervalMs: number;
  /**
   * `CONNECTION_TTL_SECONDS`: time to live of the keys that hold connections in Redis; renewed long before.
   * Default 3,600.
   */
  readonly connectionTtlMs: number;
  /**
   * `OFFLINE_GRACE_MS`: how long a user whose last connection closed still counts as online, 0 to 3,600,000.
   * Default 5,000.
   */
  readonly offlineGraceMs: number;
  /**
   * `LAST_SEEN_TTL_SECONDS`: how long it is remembered when a user was last online; 0: not at all.
   * Default 86,400.
   */
  readonly lastSeenTtlMs: number;
  /**
   * `DRAIN_SECONDS`: over how long clients are told to go elsewhere before the gateway closes, at least 20 a
   * second; 0: all at once; at most 3,600. Default: 10, or 0 without Redis.
   */
  readonly drainMs: number;
  /** `SHUTDOWN_TIMEOUT_MS`: how long a clean close may take after the drain. Default 10,000. */
  readonly shutdownTimeoutMs: number;
  /**
   * `MAX_CONNECTIONS`: open connections of one server process. The process must be allowed to open 256 more
   * files than that; the gateway warns at its start where it is not. Default 10,000.
   */
  readonly maxConnections: number;
  /**
   * `MAX_CONNECTIONS_PER_ADDRESS`: connections of one address on one server process, upgrades in progress
   * among them. An IPv6 /64 counts as one address; loopback and private addresses are not limited; 0: no
   * limit. Default 1,000.
   */
  readonly maxConnectionsPerAddress: number;
  /**
   * `MAX_UPGRADES_PER_SECOND_PER_ADDRESS`: upgrades a second of one address, counted in the same way, with
   * bursts of twice as many; 0: no limit. Default 100.
   */
  readonly maxUpgradesPerSecondPerAddress: number;
  /**
   * `MAX_CONNECTIONS_PER_USER`: connections of one user on all servers together; set the same on each of them.
   * Those of a server that died count until it is cleaned up after; 0: no limit. Default 1,000.
   */
  readonly maxConnectionsPerUser: number;
  /**
   * `CONNECTIONS_PER_USER_POLICY`: `refuse` a connection that is too many, or `replace` the user's oldest one,
   * on whichever server. Either is closed with 4005, after which clients do not come back by themselves. Where
   * the server of the oldest has died or hangs, the newer one is closed with 4204, and comes back. Default
   * `refuse`.
   */
  readonly connectionsPerUserPolicy: UserLimitPolicy;
  /**
   * `TRUSTED_PROXIES`: comma-separated addresses and subnets, such as `10.0.0.0/8`, of proxies whose
   * `X-Forwarded-For` or PROXY header is believed about a client's address. Behind a proxy that is not listed,
   * all clients have the proxy's address. Default: none.
   */
  readonly trustedProxies: readonly string[];
  /**
   * `MAX_HEAD_BYTES`: the largest head of a request, line and headers with cookies; a larger one is answered
   * with 431. Default 16,384.
   */
  readonly maxHeadBytes: number;
  /** `MAX_FRAME_BYTES`: the largest frame from a client. Default 16,384. */
  readonly maxFrameBytes: number;
  /**
   * `MAX_BACKPRESSURE_BYTES`: the bytes that may wait for one slow reader; beyond it the connection is closed,
   * unless `SLOW_READER_DROP_ROOMS` says otherwise. Default 1,048,576.
   */
  readonly maxBackpressureBytes: number;
  /**
   * `MAX_TOTAL_BACKPRESSURE_BYTES`: the bytes that may wait for all slow readers of one server process; beyond
   * it those with the most are closed; 0: no limit. Default 268,435,456.
   */
  readonly maxTotalBackpressureBytes: number;
  /**
   * `MAX_SEQUENCERS`: rooms and servers that a server process keeps a numbering for once it has published to
   * them, about 600 bytes each. Beyond it the oldest is forgotten, and its next message begins a new
   * numbering. Default 100,000.
   */
  readonly maxSequencers: number;
  /**
   * `MAX_MEMBERSHIPS`: members of rooms on one server process, one for each room of a connection. A join
   * beyond it is refused with `capacity-reached`; `/stats` shows the number under `places`; 0: no limit.
   * Default: one for each 4 KiB of the largest heap.
   */
  readonly maxMemberships: number;
  /**
   * `MAX_SERVER_ROOMS`: rooms with members on one server process, limited in the same way; 0: no limit.
   * Default: one for each 8 KiB of the largest heap.
   */
  readonly maxServerRooms: number;
  /**
   * `ROOM_WINDOW_MS`: how long a message of a room may wait for others of the room, so that a member gets them
   * in one write, 0 to 100; `auto`: at most 10, and only while the room has more than about 75 messages a
   * second. Default `auto`.
   */
  readonly roomWindowMs: RoomWindow;
  /** `MAX_ROOMS_PER_CONNECTION`: rooms that one connection may be in. Default 100. */
  readonly maxRooms: number;
  /** `MAX_REQUESTS_PER_SECOND`: requests of one connection, with bursts of twice as many. Default 100. */
  readonly maxRequestsPerSecond: number;
  /**
   * `MAX_FANOUT_PER_SECOND`: receivers a second that the messages of one connection may have, each of a
   * message's receivers counted. Beyond it messages are refused with `rate-limited` until the excess is made
   * up for; 0: no limit. Default 100,000.
   */
  readonly maxFanoutPerSecond: number;
  /**
   * `MAX_FANOUT_PERCENT`: the share of a server's time that messages to more than 100 receivers may take; 0:
   * no limit. Default 50.
   */
  readonly maxFanoutPercent: number;
  /**
   * `IDLE_TIMEOUT_MS`: a connection without a sign of life for this long is cut, not earlier and at most 2 s
   * later; 8,000 to 900,000. Default 120,000.
   */
  readonly idleTimeoutMs: number;
  /**
   * `PING_INTERVAL_MS`: time between two WebSocket pings to a connection; 0: none. Balancers cut a quiet
   * connection, many after 60 s. Default: 25,000, or half of `IDLE_TIMEOUT_MS` where that is less.
   */
  readonly pingIntervalMs: number;
  /**
   * `ALLOWED_ORIGINS`: comma-separated list of the origins that are let in, as browsers send them, such as
   * `https://example.com`; an empty list is refused. Default: any.
   */
  readonly allowedOrigins: readonly string[] | undefined;
  /**
   * `RECOVERABLE_ROOMS`: comma-separated beginnings of the names of rooms whose latest messages are kept in
   * Redis for a while, `*` for all rooms; see docs/protocol.md#rooms-that-lose-nothing. Set the same
   * on all servers. Default: none.
   *
   * Here `*` is the beginning that all names have, the empty one.
   */
  readonly recoverableRooms: readonly string[];
  /**
   * `SLOW_READER_DROP_ROOMS`: rooms, named in the same way, that leave messages out for a member that does not
   * read and tell it how many, instead of closing its connection; see
   * docs/protocol.md#members-that-do-not-read. Default: none.
   */
  readonly slowReaderDropRooms: readonly string[];
  /**
   * `SLOW_READER_LATEST_ROOMS`: rooms of state, named in the same way, that also keep the latest message of each
   * sender and key for such a member. Of several beginnings that fit a room, the longest counts. Default: none.
   */
  readonly slowReaderLatestRooms: readonly string[];
  /**
   * `SLOW_READER_BYTES`: the bytes that may wait for a member of such rooms before messages are left out for it;
   * 1,024 to half of `MAX_BACKPRESSURE_BYTES`. Default: a quarter of `MAX_BACKPRESSURE_BYTES`.
   */
  readonly slowReaderBytes: number | undefined;
  /**
   * `SHOW_SERVER_IDS`: whether `welcome` and `members` tell clients the ids of servers. Connection ids name their
   * server all the same: a `SERVER_ID` should tell nothing that clients must not know. Default `false`.
   */
  readonly showServerIds: boolean;
  /**
   * - `TOKEN_SECRET`, `TOKEN_PUBLIC_KEY`, `TOKEN_PUBLIC_KEY_FILE`, `TOKEN_JWKS_URL`: one of them has clients
   *   authenticate with JSON Web Tokens: an HS256 secret of 32 bytes or more, a public key in PEM (with `\n`
   *   for line ends where need be), a file with one, or the address of a key set. Default: none.
   * - `TOKEN_ISSUER`, `TOKEN_AUDIENCE`: what a token's `iss` and `aud` must be. Default: any.
   * - `TOKEN_SOURCES`: where tokens are looked for, comma-separated: `authorization`, `subprotocol`, `query` and
   *   `cookie`. Default `authorization,subprotocol`.
   * - `TOKEN_QUERY`, `TOKEN_COOKIE`: the names of the URL's parameter and of the cookie. Default `token`.
   * - `TOKEN_CLOCK_TOLERANCE_SECONDS`: how far the clocks of issuer and server may differ. Default 5.
   * - `OPEN`: `true`: clients are who they say they are (`?user=ada`), also where `LISTEN_HOST` is no loopback
   *   address. Without tokens a gateway does not start there otherwise. Default `false`.
   */
  readonly tokens: TokenVerifierOptions | undefined;
  /** `TOKEN_WARNING_SECONDS`: how long before its token expires a client is told. Default 30. */
  readonly tokenWarningMs: number;
  /**
   * `TOKEN_GRACE_SECONDS`: how long after its token expired a client may still hand in another one before it
   * is closed. Default 5.
   */
  readonly tokenGraceMs: number;
  /** `PAGE`: whether `/` shows the page to try the gateway. Default: `true`, or `false` with tokens. */
  readonly page: boolean;
  /**
   * `PUBLIC_STATS`: whether `/stats`, which names servers, is answered where clients connect, too. Default:
   * `true` on a loopback address without tokens and without `ADMIN_PORT`, else `false`.
   */
  readonly publicStats: boolean;
  /**
   * - `ADMIN_PORT`: a port for operators: health, counters, metrics and revocation, see
   *   docs/gateway.md#the-port-for-operators; worker n has `ADMIN_PORT` + n - 1; 0 picks a free one. Default: none.
   * - `ADMIN_HOST`: the local address of that port. Default 127.0.0.1.
   */
  readonly admin: { readonly port: number; readonly host: string } | undefined;
  /**
   * `WORKERS`: server processes on one port; more than one needs Redis. One that ends after its start is
   * started again; one that can't start ends them all. Default 1.
   */
  readonly workers: number;
  /**
   * `CM_WORKER`: which worker this process is, `n`, or `n-k` at its k-th start; set by the process that starts
   * the workers, and not for people.
   */
  readonly worker: string | undefined;
  /** `LOG_LEVEL`: `fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`. Default `info`. */
  readonly logLevel: LogLevel;
  /** `LOG_FORMAT`: `json`, or `text` for reading at a terminal. Default `json`. */
  readonly logFormat: "json" | "text";
  /** What is odd about the environment, but can be lived with. */
  readonly warnings: readonly string[];
}

export const TRANSPORTS = ["auto", "uws", "ws"] as const;
export type Transport = (typeof TRANSPORTS)[number];

export const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
