import type { TokenVerifierOptions } from "@cm/auth";
import type { RoomWindow, RoomWindowRule } from "@cm/transport";
import type { UserLimitPolicy } from "../session/user-connection-limit.js";

/**
 * All settings of a gateway that are read from the environment. docs/configuration.md is generated from these
 * comments: each begins with its variables, or has a list item (`- `) for each of them, and names the default
 * in a sentence that begins with "Default".
 */
export interface GatewayConfig {
  /** `PORT`: the port that clients connect to; 0 picks a free port. Default 3000. */
  readonly port: number;
  /**
   * `TRANSPORT`: `uws`; `ws`, which needs no native code but runs in one process only; or `auto`: `uws` if
   * uWebSockets.js is installed or `WORKERS` is more than 1, else `ws`, with a warning. Default `auto`.
   */
  readonly transport: Transport;
  /**
   * `LISTEN_HOST`: the local address to listen on; `0.0.0.0` for all addresses, which requires tokens or
   * `OPEN`. Default 127.0.0.1.
   */
  readonly listenHost: string;
  /**
   * `SERVER_HOST`: the host name at which other machines reach this server, published in the registry. Default
   * localhost.
   */
  readonly serverHost: string;
  /**
   * `SERVER_ID`: 1 to 64 characters of `A-Z a-z 0-9 _ -`, unique among living servers. With `WORKERS` at most 54
   * characters: worker 1 is `<id>-1`, and `<id>-1-2` after its first restart. Default: random.
   */
  readonly serverId: string;
  /**
   * - `REDIS_URL`: `redis://`, `rediss://`, `redis+cluster://` or `redis+sentinel://`, with the parameters of
   *   docs/redis.md. Without any Redis variable the store is in memory. `REDIS_URL` takes precedence over the
   *   four variables below, with a warning. Default: none.
   * - `REDIS_HOST`, `REDIS_PORT`, `REDIS_PASSWORD`, `REDIS_DB`: instead of a URL; one of them is enough.
   *   `REDIS_PORT` may be `tcp://host:port`, as Kubernetes sets it. Default: localhost, 6379, none, 0.
   */
  readonly redisUrl: string | undefined;
  /** `REDIS_PREFIX`: prefix of all keys and channels. Default `cm`. */
  readonly redisPrefix: string;
  /** `HEARTBEAT_INTERVAL_MS`: time between heartbeats. Default 30,000. */
  readonly heartbeatIntervalMs: number;
  /**
   * `HEARTBEAT_TTL_SECONDS`: duration of the lease: the time for which a server that sends no heartbeats is
   * considered alive. Default 90.
   */
  readonly leaseTtlMs: number;
  /**
   * `DEAD_AFTER_MS`: a server that has sent no sign of life for this long, and is no longer subscribed to
   * Redis, is removed even if its lease has not expired; 500 to 3,600,000, or 0: servers are removed only when
   * their lease expires. Default 5,000.
   */
  readonly deadAfterMs: number;
  /**
   * `STALE_CONNECTION_TIMEOUT_MS`: time after which a connection from which nothing has arrived is closed.
   * Default 1,800,000.
   */
  readonly staleConnectionTimeoutMs: number;
  /**
   * `CLEANUP_INTERVAL_MS`: time between checks for stale connections, and the time within which all partitions
   * of the store are reconciled. Default 300,000.
   */
  readonly cleanupIntervalMs: number;
  /**
   * `CONNECTION_TTL_SECONDS`: time to live of the Redis keys that hold connections; they are renewed long
   * before it ends. Default 3,600.
   */
  readonly connectionTtlMs: number;
  /**
   * `OFFLINE_GRACE_MS`: how long a user still counts as online after the user's last connection closed, 0 to
   * 3,600,000. Default 5,000.
   */
  readonly offlineGraceMs: number;
  /**
   * `LAST_SEEN_TTL_SECONDS`: how long the time at which a user was last online is kept; 0: not at all. Default
   * 86,400.
   */
  readonly lastSeenTtlMs: number;
  /**
   * `DRAIN_SECONDS`: time over which the connections are closed before the gateway stops, so that clients move
   * to other servers gradually, at least 20 connections per second; 0: all at once; at most 3,600. Default: 10,
   * or 0 without Redis.
   */
  readonly drainMs: number;
  /** `SHUTDOWN_TIMEOUT_MS`: maximum time of a clean close after the drain. Default 10,000. */
  readonly shutdownTimeoutMs: number;
  /**
   * `MAX_CONNECTIONS`: maximum number of open connections of one server process. The process must be allowed to
   * open 256 more files than that; otherwise the gateway logs a warning at startup. 0: no limit, which counts as
   * 1,000,000. Default 10,000.
   */
  readonly maxConnections: number;
  /**
   * `MAX_CONNECTIONS_PER_ADDRESS`: maximum number of connections from one address to one server process,
   * including upgrades in progress. An IPv6 /64 counts as one address; loopback and private addresses are not
   * limited; 0: no limit. Default 1,000.
   */
  readonly maxConnectionsPerAddress: number;
  /**
   * `MAX_UPGRADES_PER_SECOND_PER_ADDRESS`: maximum number of upgrades per second from one address, counted as
   * for `MAX_CONNECTIONS_PER_ADDRESS`, with bursts of twice as many; 0: no limit. Default 100.
   */
  readonly maxUpgradesPerSecondPerAddress: number;
  /**
   * `MAX_PENDING_UPGRADES`: maximum number of upgrades that wait for their authentication on one server process;
   * further upgrades are refused with 503. One address, counted as for `MAX_CONNECTIONS_PER_ADDRESS`, may take a
   * quarter of the places. Waiting upgrades do not count towards `MAX_CONNECTIONS`; 0: no limit. Default 1,000.
   */
  readonly maxPendingUpgrades: number;
  /**
   * `AUTHENTICATION_TIMEOUT_MS`: maximum time for the authentication of an upgrade, such as fetching the keys of
   * `TOKEN_JWKS_URL`; an upgrade that takes longer is refused with 503; 100 to 600,000. Default 5,000.
   */
  readonly authenticationTimeoutMs: number;
  /**
   * `MAX_CONNECTIONS_PER_USER`: maximum number of connections of one user on all servers together; set the same
   * value on each server. Connections of a dead server count until they have been removed from the store; 0: no
   * limit. Default 1,000.
   */
  readonly maxConnectionsPerUser: number;
  /**
   * `CONNECTIONS_PER_USER_POLICY`: `refuse` a connection beyond the limit, or `replace` the user's oldest
   * connection, on any server. The connection that is closed gets code 4005, after which clients do not
   * reconnect by themselves. If the server of the oldest connection (with `refuse`: of any of them) has died or
   * hangs, the new connection is closed with 4204, and its client reconnects. Default `refuse`.
   */
  readonly connectionsPerUserPolicy: UserLimitPolicy;
  /**
   * `TRUSTED_PROXIES`: comma-separated addresses and subnets, such as `10.0.0.0/8`, of proxies whose
   * `X-Forwarded-For` header, or header of the PROXY protocol, version 2, is trusted for the client's address.
   * Behind a proxy that is not listed, all clients have the proxy's address. With `TRANSPORT=uws` a PROXY header
   * is read only if it has at most 52 bytes and arrives in one piece with the beginning of the request: prefer
   * `X-Forwarded-For`. Default: none.
   */
  readonly trustedProxies: readonly string[];
  /**
   * `MAX_HEAD_BYTES`: maximum size of a request's head, which is the request line and the headers with cookies;
   * a request with a larger head is refused with 431. Default 16,384.
   */
  readonly maxHeadBytes: number;
  /** `MAX_FRAME_BYTES`: maximum size of a frame from a client. Default 16,384. */
  readonly maxFrameBytes: number;
  /**
   * `MAX_BACKPRESSURE_BYTES`: maximum number of bytes queued for one slow reader; beyond it the connection is
   * closed, unless `SLOW_READER_DROP_ROOMS` or `SLOW_READER_LATEST_ROOMS` applies. Default 1,048,576.
   */
  readonly maxBackpressureBytes: number;
  /**
   * `MAX_TOTAL_BACKPRESSURE_BYTES`: maximum number of bytes queued for all slow readers of one server process;
   * beyond it the connections with the most queued bytes are closed; 0: no limit. Default 268,435,456.
   */
  readonly maxTotalBackpressureBytes: number;
  /**
   * `MAX_SEQUENCERS`: maximum number of sequencers of a server process, one for each room and server that the
   * process has published to, about 600 bytes each. Beyond it the oldest sequencer is forgotten, and the next
   * message to that room or server starts a new numbering. Default 100,000.
   */
  readonly maxSequencers: number;
  /**
   * `MAX_MEMBERSHIPS`: maximum number of memberships on one server process, one for each room of a connection.
   * A join beyond it is refused with `capacity-reached`; `/stats` shows the number under `capacity`; 0: no limit.
   * Default: one for each 4 KiB of the largest heap.
   */
  readonly maxMemberships: number;
  /**
   * `MAX_SERVER_ROOMS`: maximum number of rooms with members on one server process, enforced like
   * `MAX_MEMBERSHIPS`; 0: no limit. Default: one for each 8 KiB of the largest heap.
   */
  readonly maxServerRooms: number;
  /**
   * `ROOM_WINDOW_MS`: how long a room's message may wait for further messages of the room, so that a member
   * gets them in one write, 0 to 100; `auto`: at most 10, and only while the room has more than about 75
   * messages per second. Messages to such a room also wait up to 3 ms, and not longer than its window, on their way to
   * Redis. Default `auto`.
   */
  readonly roomWindowMs: RoomWindow;
  /**
   * `ROOM_WINDOWS`: windows of rooms by the beginning of their names, instead of `ROOM_WINDOW_MS`: comma-separated
   * entries of a prefix, `=` and a window, such as `chat:=0,pos:=50`. The longest prefix that matches is used. At most
   * 100. Default: none.
   */
  readonly roomWindows: readonly RoomWindowRule[];
  /**
   * `MAX_ROOMS_PER_CONNECTION`: maximum number of rooms that one connection may be in. 0: no limit; `welcome` then
   * reports 1,000,000,000. Default 100.
   */
  readonly maxRooms: number;
  /**
   * `MAX_REQUESTS_PER_SECOND`: maximum request rate of one connection, with bursts of twice as many. 0: no limit;
   * `welcome` then reports 1,000,000,000. Default 100.
   */
  readonly maxRequestsPerSecond: number;
  /**
   * `MAX_BYTES_PER_SECOND`: maximum number of bytes per second that one connection may send in frames, with
   * bursts of twice as many; further requests are refused with `rate-limited`; 0: no limit. Default: a quarter of
   * `MAX_REQUESTS_PER_SECOND` frames of `MAX_FRAME_BYTES`, which is 409,600.
   */
  readonly maxBytesPerSecond: number;
  /**
   * `MAX_CONTROL_FRAMES_PER_SECOND`: maximum number of WebSocket pings and unsolicited pongs per second from one
   * connection, with bursts of twice as many; beyond it the connection is closed with 4203; 0: no limit.
   * Default 20.
   */
  readonly maxControlFramesPerSecond: number;
  /**
   * `MAX_FANOUT_PER_SECOND`: maximum number of receivers per second of one connection's messages; a message
   * counts once for each of its receivers. Beyond it messages are refused with `rate-limited` until the excess
   * has been worked off; 0: no limit. Default 100,000.
   */
  readonly maxFanoutPerSecond: number;
  /**
   * `MAX_FANOUT_PERCENT`: maximum share of a server's time for messages to more than 100 receivers; 0: no
   * limit. Default 50.
   */
  readonly maxFanoutPercent: number;
  /**
   * `IDLE_TIMEOUT_MS`: time after which a connection from which nothing has arrived, not even a pong, is cut:
   * never earlier, and at most 2 s later; 8,000 to 900,000. Default 120,000.
   */
  readonly idleTimeoutMs: number;
  /**
   * `PING_INTERVAL_MS`: time between WebSocket pings to a connection; 1,000 or more and less than
   * `IDLE_TIMEOUT_MS`, or 0: no pings. Load balancers cut quiet connections, many of them after 60 s. Default: 25,000, or half of `IDLE_TIMEOUT_MS` if that is less.
   */
  readonly pingIntervalMs: number;
  /**
   * `ALLOWED_ORIGINS`: comma-separated list of the allowed origins, in the form in which browsers send them,
   * such as `https://example.com`; an empty list is an error. Default: any.
   */
  readonly allowedOrigins: readonly string[] | undefined;
  /**
   * `RECOVERABLE_ROOMS`: comma-separated name prefixes of the rooms whose latest messages are kept in Redis for
   * a while, `*` for all rooms; see docs/protocol.md#rooms-that-lose-nothing. Set the same value on all
   * servers. Default: none.
   *
   * In this field, `*` is represented by the empty prefix, which matches every name.
   */
  readonly recoverableRooms: readonly string[];
  /**
   * `SLOW_READER_DROP_ROOMS`: name prefixes, in the form of `RECOVERABLE_ROOMS`, of the rooms that drop
   * messages for a member that does not read and notify it of their number, instead of closing its connection;
   * see docs/protocol.md#members-that-do-not-read. Default: none.
   */
  readonly slowReaderDropRooms: readonly string[];
  /**
   * `SLOW_READER_LATEST_ROOMS`: name prefixes, in the form of `RECOVERABLE_ROOMS`, of state rooms, which drop
   * messages too but also keep the latest message of each sender and key for such a member. If several prefixes
   * match a room, the longest applies. Default: none.
   */
  readonly slowReaderLatestRooms: readonly string[];
  /**
   * `SLOW_READER_BYTES`: number of bytes that may be queued for a member of a room that drops messages (see the
   * two variables above) before messages are dropped for it; 1,024 to half of `MAX_BACKPRESSURE_BYTES`.
   * Default: a quarter of `MAX_BACKPRESSURE_BYTES`.
   */
  readonly slowReaderBytes: number | undefined;
  /**
   * `SHOW_SERVER_IDS`: whether `welcome` and `members` contain the ids of servers. Connection ids contain the
   * id of their server in any case, so a `SERVER_ID` should reveal nothing that clients must not know. Default
   * `false`.
   */
  readonly showServerIds: boolean;
  /**
   * - `TOKEN_SECRET`, `TOKEN_PUBLIC_KEY`, `TOKEN_PUBLIC_KEY_FILE`, `TOKEN_JWKS_URL`: setting one of them makes
   *   clients authenticate with JSON Web Tokens: an HS256 secret of 32 bytes or more, a public key in PEM
   *   (optionally with `\n` for line ends), a file with one, or the URL of a key set. Default: none.
   * - `TOKEN_ISSUER`, `TOKEN_AUDIENCE`: the required `iss` and `aud` of tokens. Default: any.
   * - `TOKEN_SOURCES`: the parts of the upgrade request that may carry the token, comma-separated:
   *   `authorization`, `subprotocol`, `query` and `cookie`. Default `authorization,subprotocol`.
   * - `TOKEN_QUERY`, `TOKEN_COOKIE`: the names of the URL parameter and of the cookie. Default `token`.
   * - `TOKEN_CLOCK_TOLERANCE_SECONDS`: maximum difference between the clocks of issuer and server. Default 5.
   * - `OPEN`: `true`: clients may claim to be any user (`?user=ada`), even if `LISTEN_HOST` is not a loopback
   *   address. Without tokens and without `OPEN`, a gateway does not start on such an address. Default `false`.
   */
  readonly tokens: TokenVerifierOptions | undefined;
  /** `TOKEN_WARNING_SECONDS`: time before a token's expiry at which the client is notified. Default 30. */
  readonly tokenWarningMs: number;
  /**
   * `TOKEN_GRACE_SECONDS`: time after a token's expiry for which the client may still send another one before
   * its connection is closed. Default 5.
   */
  readonly tokenGraceMs: number;
  /** `PAGE`: whether `/` serves a page for trying out the gateway. Default: `true`, or `false` with tokens. */
  readonly page: boolean;
  /**
   * `PUBLIC_STATS`: whether `/stats`, which names servers, is also served on the clients' port. Default: `true`
   * on a loopback address without tokens and without `ADMIN_PORT`, else `false`.
   */
  readonly publicStats: boolean;
  /**
   * - `ADMIN_PORT`: a port for operators: health, counters, metrics and revocation, see
   *   docs/gateway.md#the-port-for-operators; worker n has `ADMIN_PORT` + n - 1; 0 picks a free port. Default:
   *   none.
   * - `ADMIN_HOST`: the local address that `ADMIN_PORT` is opened on. Default 127.0.0.1.
   */
  readonly admin: { readonly port: number; readonly host: string } | undefined;
  /**
   * `WORKERS`: number of server processes on one port; more than one needs Redis. A worker that ends after it
   * has started is restarted; if a worker can't start, all of them are stopped. Default 1.
   */
  readonly workers: number;
  /**
   * `CM_WORKER`: this worker's number `n`, or `n-k` from its second start on, where k counts the starts; set by the
   * process that starts the workers, not meant to be set by people.
   */
  readonly worker: string | undefined;
  /** `LOG_LEVEL`: `fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`. Default `info`. */
  readonly logLevel: LogLevel;
  /** `LOG_FORMAT`: `json`, or `text` for reading in a terminal. Default `json`. */
  readonly logFormat: "json" | "text";
  /** Problems with the environment that do not prevent the start. */
  readonly warnings: readonly string[];
}

export const TRANSPORTS = ["auto", "uws", "ws"] as const;
export type Transport = (typeof TRANSPORTS)[number];

export const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
