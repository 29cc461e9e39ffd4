import type { OnError } from "@cm/protocol";
import type { Authentication, UpgradeRequest } from "../admission/authentication.js";
import type { ConnectionHandler } from "../connections/connection-handler.js";
import type { FaultCounter } from "../counters/fault-counter.js";
import type { Route, RouteHandler } from "../http/route-table.js";
import type { RoomWindow, RoomWindowRule } from "../rooms/room-window.js";
import type { SlowReaderOptions } from "../rooms/slow-reader-options.js";

/** Options of every transport. */
export interface TransportOptions<U> {
  /** Address or host name to listen on. Default "127.0.0.1". */
  readonly host?: string | undefined;
  /** Port to listen on, 0 to 65,535; 0 picks a free port. */
  readonly port: number;
  /** Path of the WebSocket endpoint, fixed and without parameters. Default "/ws". */
  readonly path?: string | undefined;
  /** Supported subprotocols in order of preference; a client must offer one of them. At least one. */
  readonly subprotocols: readonly string[];
  /**
   * Origins (scheme, host and port, such as `https://example.com`) that pages may connect from. Requests
   * without an Origin header do not come from a page and are accepted. Default: any.
   */
  readonly allowedOrigins?: readonly string[] | undefined;
  /** Maximum number of open connections. 1 to 1,000,000; default 10,000. */
  readonly maxConnections?: number | undefined;
  /**
   * Maximum number of upgrades that wait for `authenticate`; further upgrades are refused with 503 and
   * `unavailable`. One address, or IPv6 /64, may take a quarter of the places, unless it is a private one. Waiting
   * upgrades do not count towards `maxConnections`, so that an `authenticate` that hangs does not fill the server; if
   * the server is full once an upgrade has been authenticated, the upgrade is refused with `capacity-reached`. 0 to
   * 1,000,000, 0 for no limit; default 1,000.
   */
  readonly maxPendingUpgrades?: number | undefined;
  /**
   * Maximum number of connections from one address, including upgrades in progress; further upgrades are
   * refused with 429 and `connections-limit`. An IPv6 address counts by its /64; loopback and private addresses
   * are not limited, nor are unknown addresses, such as those of clients on a Unix socket. 0 to 1,000,000, 0 for no
   * limit; default 1,000.
   */
  readonly maxConnectionsPerAddress?: number | undefined;
  /**
   * Maximum number of upgrades per second from one address, with bursts of twice as many; further upgrades are
   * refused with 429 and `rate-limited`. Addresses count as for `maxConnectionsPerAddress`. 0 to 1,000,000, 0
   * for no limit; default 100.
   */
  readonly maxUpgradesPerSecondPerAddress?: number | undefined;
  /**
   * Addresses and subnets, such as "10.0.0.0/8", of proxies that are trusted to report a client's address: in
   * `X-Forwarded-For`, or in a header of the PROXY protocol, version 2, at the beginning of the TCP connection.
   * Default: none, so that the address is that of the TCP peer.
   */
  readonly trustedProxies?: readonly string[] | undefined;
  /**
   * Maximum size of the head (request line and headers) of an HTTP request, including upgrade requests, in
   * bytes. A request with a larger head is refused with 431. 1,024 to 65,536; default 16 KiB, as in Node.js.
   */
  readonly maxHeadBytes?: number | undefined;
  /** Maximum size of a frame from a client, in bytes. 128 to 16 MiB; default 16 KiB. */
  readonly maxFrameBytes?: number | undefined;
  /**
   * Maximum number of pings and unsolicited pongs per second from one connection, with bursts of twice as many;
   * beyond it the connection is closed with `overloaded`. A pong that answers one of the server's pings does not
   * count. 0 to 1,000,000, 0 for no limit; default 20.
   */
  readonly maxControlFramesPerSecond?: number | undefined;
  /**
   * Maximum number of bytes queued for one connection; beyond it the connection is closed as a slow consumer.
   * The transport documents how far this may be exceeded for a moment. 64 KiB to 256 MiB; default 1 MiB.
   */
  readonly maxBackpressureBytes?: number | undefined;
  /**
   * Maximum number of bytes queued for all connections. Beyond it, the connections with the most queued bytes
   * are closed as slow consumers. May be exceeded for a moment by a sixteenth and one frame to each connection.
   * 0 to 2^40, 0 for no limit; default 256 MiB.
   */
  readonly maxTotalBackpressureBytes?: number | undefined;
  /**
   * What happens to a member that reads too slowly, depending on the room. Default: its connection is closed in
   * every room.
   */
  readonly slowReaders?: SlowReaderOptions | undefined;
  /**
   * Time after which a connection is cut if nothing has arrived from it, not even a pong. The connection is
   * never cut earlier, and at most 2 s later, plus the time for which the process itself was blocked. 1,000 to
   * 900,000 ms; default 120,000.
   */
  readonly idleTimeoutMs?: number | undefined;
  /**
   * Time between two pings to a connection; the first one is sent at a random time within the first interval.
   * Every connection is pinged, because load balancers also count the time since the server last wrote; many
   * cut a connection after 60 s. 0: no pings, so a client must send something within `idleTimeoutMs` without
   * being asked. Otherwise 100 ms or more, and less than `idleTimeoutMs`; default 25,000, or half of
   * `idleTimeoutMs` if that is less.
   */
  readonly pingIntervalMs?: number | undefined;
  /**
   * How long a room's message may wait for further messages of the room, so that a member gets them in one
   * write, in milliseconds: 0 to 100. A message after a pause of this length is sent at once. `auto`: at most
   * 10 ms, and only while the room has more than about 75 messages per second. Default 0.
   */
  readonly roomWindowMs?: RoomWindow | undefined;
  /**
   * Windows of rooms by the beginning of their names, instead of `roomWindowMs`; the longest prefix that matches is
   * used. At most 100. Default: none.
   */
  readonly roomWindows?: readonly RoomWindowRule[] | undefined;
  /**
   * Maximum number of members of one room that are written to in one turn of the event loop; other work is done
   * in between, and the room's messages keep their order. Large messages are also written in turns, about 4 MiB at a
   * time counting each copy. 10 to 1,000,000; default 200.
   */
  readonly maxMembersPerTurn?: number | undefined;
  /**
   * Deadline of `authenticate`; an upgrade that misses it is refused with 503 and `timeout`, which also goes to
   * `onError`. 1 to 600,000 ms; default 5,000.
   */
  readonly authenticationTimeoutMs?: number | undefined;
  /**
   * Deadline of `close()`; closing the connections is spread over up to half of it. 0 to 600,000 ms; default
   * 5,000.
   */
  readonly closeTimeoutMs?: number | undefined;
  /**
   * Returns the user that a connection belongs to, or throws a CmError: `unauthorized` becomes HTTP 401,
   * `capacity-reached` becomes 503, other codes become another 4xx or 5xx status. Any other error becomes 500
   * and goes to `onError`. The signal is aborted when the client disconnects, and when the upgrade is refused,
   * such as at the deadline or when the server closes.
   */
  readonly authenticate: (
    request: UpgradeRequest,
    signal: AbortSignal,
  ) => Authentication<U> | Promise<Authentication<U>>;
  /**
   * Returns the id of a new connection; see `createConnectionIdSource`. With a node of `@cm/node`, pass `() =>
   * node.membership.nextConnectionId()`.
   */
  readonly nextConnectionId: () => string;
  /** Receives the events of the connections. */
  readonly handler: ConnectionHandler<U>;
  /**
   * Handlers for plain HTTP requests, by method and exact path: `"POST /orders"`; a path without a method is
   * for GET and HEAD. A request body may have up to 64 KiB; a {@link Route} can set another limit. Default:
   * none.
   */
  readonly routes?: Readonly<Record<string, RouteHandler | Route>> | undefined;
  /**
   * Counter in which the handler counts faulty frames. Its counts are included in `stats()`. Default: one
   * created by the server.
   */
  readonly faults?: FaultCounter | undefined;
  /** Receives errors that no caller is waiting for. */
  readonly onError: OnError;
}
