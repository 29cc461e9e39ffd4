import type { LocalDelivery } from "@cm/protocol";
import type { DrainOptions, DrainProgress } from "./connections/drain.js";
import type { TransportConnection } from "./connections/transport-connection.js";
import type { TrafficCounts } from "./counters/traffic-counts.js";

/** The address that a server listens on. */
export interface ListeningAddress {
  /** The host that was configured. */
  readonly host: string;
  /** The actual port, also if 0 was configured. */
  readonly port: number;
}

/** Counters of a server. `slowConsumersClosed` and the counters after it only grow. */
export interface TransportStats {
  /** Open connections. */
  readonly connections: number;
  /** Upgrades that wait for `authenticate`. */
  readonly upgrading: number;
  /** Users with a connection on this server. */
  readonly users: number;
  /** Rooms with a member on this server. */
  readonly topics: number;
  /** Memberships on this server: a connection counts once for each room that it is in. */
  readonly memberships: number;
  /**
   * Memberships that get no messages of the room at the moment, because the member does not read; see
   * `slowReaders`.
   */
  readonly membersBehind: number;
  /**
   * Messages that members missed because they did not read, by the policy of the room; a message counts once for
   * each such member. Messages that a `latest` room keeps for a member until it has read do not count, unless
   * the member leaves or its connection closes before. Only grows.
   */
  readonly messagesLeftOut: Readonly<Record<"drop" | "latest", number>>;
  /** Bytes queued for all connections. */
  readonly bytesWaiting: number;
  /**
   * Bytes of the messages that are held back before they are written to the members of rooms: until a room's window
   * ends, or until the turn of further members of a large room. At most about 64 MiB. A message counts once for each
   * group of members that it is still to be written to, although it is in memory once; these bytes are neither in
   * `bytesWaiting` nor limited by `maxTotalBackpressureBytes`.
   */
  readonly bytesHeldBack: number;
  /** Connections closed because they did not read; each counts once. */
  readonly slowConsumersClosed: number;
  /** Bytes that were queued for slow consumers when they were cut. */
  readonly bytesDiscarded: number;
  /** Frames and bytes received from and sent to clients. */
  readonly traffic: TrafficCounts;
  /** Connections closed because they sent a frame over `maxFrameBytes`. */
  readonly framesTooLarge: number;
  /**
   * How often the server began to refuse new connections because the process could open no more files. Only
   * grows.
   */
  readonly acceptPauses: number;
  /** Refused upgrades at `path`, by code, without those that the HTTP layer rejects; see {@link TransportServer}. */
  readonly refused: Readonly<Record<string, number>>;
  /**
   * How often each limit was reached: `connections-per-address`, `upgrades-per-address` and `pending-upgrades`
   * refuse an upgrade, `control-frames` and `backlog` close a connection.
   */
  readonly limits: Readonly<Record<string, number>>;
  /**
   * Closed connections: by reason if this server closed them (including `idle-timeout`), otherwise by close
   * code: 1006 if the socket ended without a close frame or broke RFC 6455, `4xxx` for codes that the client
   * chose.
   */
  readonly closed: Readonly<Record<string, number>>;
  /**
   * Faulty frames and refused requests, by error code: those that the server found and those counted with the
   * option `faults`.
   */
  readonly faults: Readonly<Record<string, number>>;
  /** Progress of the drain, if one has begun. */
  readonly drain?: DrainProgress;
}

/**
 * A WebSocket server, whatever library it uses; also the router's access to the local sockets. Guarantees, in
 * addition to those of `LocalDelivery`:
 *
 * - A connection gets the frames sent to it and to its rooms in the order of the calls. Messages of a room can
 *   be delayed, within the window of `roomWindowMs` or until their turn in a room of more than
 *   `maxMembersPerTurn` members: then the room's messages keep their order among each other and relative to
 *   enter, leave and close, but a frame to the connection alone may overtake them. A connection that does not
 *   keep up is closed with `slow-consumer` before it can miss a frame; the bytes queued for it are limited by
 *   `maxBackpressureBytes` and the tolerance that the transport documents.
 * - In rooms for which `slowReaders` returns `drop` or `latest`, a member that does not keep up misses messages
 *   instead: once it has read, it gets a `gap` frame of the client protocol with their number, then in a
 *   `latest` room the latest message of each key, then the following messages; at most one `gap` per second and
 *   room. A member that leaves the room before that gets the `gap` as it leaves.
 * - The handler's `closed` is called exactly once for each connection that was opened: within the call if this
 *   side closed it, or in a later turn of the event loop if very many connections close at once.
 * - Every refused upgrade at `path` gets an HTTP status and a JSON body with a code, and is counted. Not counted are
 *   requests that the HTTP layer rejects, such as one without a `Host` header, and upgrades at other paths, which get
 *   404.
 */
export interface TransportServer<U = unknown> extends LocalDelivery, AsyncDisposable {
  /**
   * Listens, or attaches itself to another server. Rejects with `port-in-use`, `options-invalid` (not an
   * address of this machine, or not permitted), `unavailable` (too many open files) or, after `close` or
   * `stopAccepting`, `closed`. Every call returns the same promise.
   */
  start(): Promise<ListeningAddress>;
  /** Stops listening and refuses upgrades from now on; open connections stay open. */
  stopAccepting(): void;
  /**
   * Refuses upgrades from now on, with `unavailable` (pending ones with `closed`), and closes the open
   * connections with `going-away` in waves: about ten waves of about the same size per second, in random order,
   * at least 20 connections per second. During the drain, the remaining connections and HTTP requests are
   * served, so that a load balancer can see the drain. Resolves when every connection was closed; `close` and
   * the signal end the drain. Every call returns the promise of the first call. Throws `options-invalid`. Before
   * `start` has resolved, it rejects with `unavailable` and changes nothing: the start continues.
   */
  drain(options: DrainOptions): Promise<void>;
  /**
   * Stops listening, refuses pending upgrades, closes every connection with `going-away` in waves, and cuts
   * those that remain. Every call returns the same promise.
   */
  close(): Promise<void>;
  /**
   * Notifies the members of a room, with a `gap` frame, that messages were lost on their way to this server:
   * `missed` messages, or an unknown number. A member that is behind is notified together with what it missed
   * itself.
   */
  notifyGap(room: string, missed: number | undefined): void;
  /** The open connection with this id, or `undefined`. */
  connection(id: string): TransportConnection<U> | undefined;
  /** The open connections of a user. */
  connectionsOf(userId: string): TransportConnection<U>[];
  /** Number of the room's members on this server. */
  membersOf(room: string): number;
  /** Number of the user's open connections on this server. */
  countOf(userId: string): number;
  /** Counters of the server. */
  stats(): TransportStats;
}
