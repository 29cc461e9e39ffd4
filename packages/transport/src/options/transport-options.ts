import type { OnError } from "@cm/protocol";
import type { Authentication, UpgradeRequest } from "../admission/authentication.js";
import type { ConnectionHandler } from "../connections/connection-handler.js";
import type { FaultCounter } from "../counters/fault-counter.js";
import type { Route, RouteHandler } from "../http/route-table.js";
import type { RoomWindow } from "../rooms/room-window.js";
import type { SlowReaderOptions } from "../rooms/slow-readers.js";

/** What every transport takes. */
export interface TransportOptions<U> {
  /** Address or host name to listen on. Default "127.0.0.1". */
  readonly host?: string | undefined;
  /** 0 to 65,535; 0 takes any free one. */
  readonly port: number;
  /** Where WebSockets connect: a fixed path, without parameters. Default "/ws". */
  readonly path?: string | undefined;
  /** Subprotocols spoken here, best first; a client must offer one of them. At least one. */
  readonly subprotocols: readonly string[];
  /**
   * Origins (scheme, host and port, such as `https://example.com`) that pages may
   * connect from. Requests without an Origin header don't come from a page and pass.
   * Default: any.
   */
  readonly allowedOrigins?: readonly string[] | undefined;
  /** The most open connections. 1 to 1,000,000; default 10,000. */
  readonly maxConnections?: number | undefined;
  /**
   * The most upgrades that wait for `authenticate` at a time; further ones are refused with
   * 503 and `unavailable`. They take no places of `maxConnections`, so that an `authenticate`
   * that hangs does not fill the server; one that finds the server full when its turn comes
   * is refused with `capacity-reached`. 1 to 1,000,000; default 1,000.
   */
  readonly maxPendingUpgrades?: number | undefined;
  /**
   * The most connections of one address, upgrades in progress among them; further ones are refused
   * with 429 and `connections-limit`. An IPv6 address counts by its /64; loopback and private addresses
   * are not limited. 0 to 1,000,000, 0 for no limit; default 1,000.
   */
  readonly maxConnectionsPerAddress?: number | undefined;
  /**
   * The most upgrades a second from one address, with bursts of twice as many; further ones are
   * refused with 429 and `rate-limited`. Addresses count as above. 0 to 1,000,000, 0 for no limit;
   * default 100.
   */
  readonly maxUpgradesPerSecondPerAddress?: number | undefined;
  /**
   * Proxies that are believed what they say about a client's address, in `X-Forwarded-For` or a
   * PROXY header: addresses and subnets such as "10.0.0.0/8". Default: none, so that the address
   * is that of the TCP peer.
   */
  readonly trustedProxies?: readonly string[] | undefined;
  /**
   * The largest head of an HTTP request, upgrades among them: request line and headers, in
   * bytes. A larger one is answered with 431. 1,024 to 65,536; default 16 KiB, as of Node.js itself.
   */
  readonly maxHeadBytes?: number | undefined;
  /** The largest frame taken from a client, in bytes. 128 to 16 MiB; default 16 KiB. */
  readonly maxFrameBytes?: number | undefined;
  /**
   * A connection with more than this waiting to be written is closed as a slow
   * consumer, in bytes. How far it may be exceeded for a moment is the transport's to say.
   * 64 KiB to 256 MiB; default 1 MiB.
   */
  readonly maxBackpressureBytes?: number | undefined;
  /**
   * What may wait to be written to all connections, in bytes. Beyond it, those with the most
   * are closed as slow consumers. It may be exceeded by a sixteenth and one frame to each
   * connection for a moment. 0 to 2^40, 0 for no limit; default 256 MiB.
   */
  readonly maxTotalBackpressureBytes?: number | undefined;
  /**
   * What happens, by room, to a member that does not read fast enough. Default: its connection is
   * closed, whatever the room.
   */
  readonly slowReaders?: SlowReaderOptions | undefined;
  /**
   * A connection from which nothing came for this long, not even a pong, is cut: never
   * earlier, and at most 2 s later, beside the time that the process itself was held up.
   * 1,000 to 900,000 ms; default 120,000.
   */
  readonly idleTimeoutMs?: number | undefined;
  /**
   * Between two pings to a connection, the first of them at a random time within the first
   * interval. Every connection is pinged, for balancers count the time since the server
   * last wrote, too; many cut a connection after 60 s. 0: no pings, so that a client must
   * send something by itself within `idleTimeoutMs`. Otherwise 100 ms or more, and less
   * than `idleTimeoutMs`; default 25,000, or half of `idleTimeoutMs` where that is less.
   */
  readonly pingIntervalMs?: number | undefined;
  /**
   * How long a message of a room may wait for others of the room, so that a member gets them in one
   * write, in milliseconds: 0 to 100. A message after a pause of this length goes at once.
   * `auto`: at most 10 ms, and only while the room has more than about 75 messages a second. Default 0.
   */
  readonly roomWindowMs?: RoomWindow | undefined;
  /**
   * The most members of one room that are written to in one turn of the event loop; other work comes
   * in between, and the room's messages keep their order. 10 to 1,000,000; default 500.
   */
  readonly maxMembersPerTurn?: number | undefined;
  /** Deadline of `authenticate`; an upgrade that misses it is refused with 503 and `timeout`. 1 to 600,000 ms; default 5,000. */
  readonly authenticationTimeoutMs?: number | undefined;
  /** Deadline of `close()`: the goodbyes are spread over up to half of it. 0 to 600,000 ms; default 5,000. */
  readonly closeTimeoutMs?: number | undefined;
  /**
   * Says whose connection it is, or throws a CmError: `unauthorized` becomes HTTP 401,
   * `capacity-reached` 503, others 4xx or 503. Anything else becomes 500 and goes to
   * `onError`. The signal aborts when the client goes away, at the deadline and when
   * the server closes.
   */
  readonly authenticate: (
    request: UpgradeRequest,
    signal: AbortSignal,
  ) => Authentication<U> | Promise<Authentication<U>>;
  /**
   * Gives each connection its id; see `createConnectionIdSource`. With a node of `@cm/node` it is
   * `() => node.membership.nextConnectionId()`.
   */
  readonly nextConnectionId: () => string;
  /** Hears what happens on the sockets. */
  readonly handler: ConnectionHandler<U>;
  /**
   * What is answered over plain HTTP, by method and exact path: `"POST /orders"`; a path alone
   * is for GET and HEAD. A body may have 64 KiB; a {@link Route} has a limit of its own. Default: nothing.
   */
  readonly routes?: Readonly<Record<string, RouteHandler | Route>> | undefined;
  /** Where the handler counts what was wrong with frames, to be told in `stats()`. Default: one of the server's own. */
  readonly faults?: FaultCounter | undefined;
  /** Takes failures that no caller is waiting for. */
  readonly onError: OnError;
}
