import type { LocalDelivery } from "@cm/protocol";
import type { TransportConnection } from "./connections/connection.js";
import type { DrainOptions, DrainProgress } from "./connections/drain.js";
import type { TrafficCounts } from "./counters/traffic.js";

/** Where a server listens. */
export interface ListeningAddress {
  /** The address that was listened on. */
  readonly host: string;
  /** The port, also where 0 was asked for. */
  readonly port: number;
}

/** Counters of a server. Those from `slowConsumersClosed` on only grow. */
export interface TransportStats {
  /** Open connections. */
  readonly connections: number;
  /** Upgrades that wait for `authenticate`. */
  readonly upgrading: number;
  /** Users with a connection here. */
  readonly users: number;
  /** Rooms with a member here. */
  readonly topics: number;
  /** Members of rooms here: a connection counts once for each room that it is in. */
  readonly memberships: number;
  /** Those of them that get no messages of the room for now, since they do not read; see `slowReaders`. */
  readonly membersBehind: number;
  /**
   * Messages that members did not get because they did not read, each copy counted, by the policy of the room.
   * Of a `latest` room, those that a later one takes the place of; until a member has read, what is
   * kept for it does not count. Only grows.
   */
  readonly messagesLeftOut: Readonly<Record<"drop" | "latest", number>>;
  /** Bytes that wait to be written to all connections. */
  readonly bytesWaiting: number;
  /** Connections closed because they didn't read; each counts once. */
  readonly slowConsumersClosed: number;
  /** Bytes that had waited on slow consumers when they were cut. */
  readonly bytesDiscarded: number;
  /** Frames and bytes from and to clients. */
  readonly traffic: TrafficCounts;
  /** Connections closed because they sent a frame over `maxFrameBytes`. */
  readonly framesTooLarge: number;
  /** Refused upgrades, by code. */
  readonly refused: Readonly<Record<string, number>>;
  /**
   * How often each limit was met that concerns more than one connection:
   * `connections-per-address`, `upgrades-per-address`, `backlog`.
   */
  readonly limits: Readonly<Record<string, number>>;
  /**
   * Connections that ended: by reason where this server closed them (`idle-timeout` among
   * the reasons), else by close code: 1006 where the socket just ended or broke RFC 6455,
   * `4xxx` for codes of a client's own.
   */
  readonly closed: Readonly<Record<string, number>>;
  /** Faulty frames and refused requests, by error code: the server's own and those that the option `faults` was told. */
  readonly faults: Readonly<Record<string, number>>;
  /** How far the drain has come, once there is one. */
  readonly drain?: DrainProgress;
}

/**
 * A WebSocket server, whatever library it stands on; also the router's way to the local
 * sockets. Promises, beside those of `LocalDelivery`:
 *
 * - A connection gets what is sent to it and its rooms in the order of the calls. Messages of a room
 *   can wait, in the window of `roomWindowMs` or for their turn in a room of more than `maxMembersPerTurn`
 *   members: then the room's messages keep their order and their place among enter, leave
 *   and close, and a frame to the connection alone may overtake them. A connection that
 *   does not keep up is closed with `slow-consumer` before it can miss a frame; what waits for
 *   it is bounded by `maxBackpressureBytes` and what the transport says of it.
 * - In rooms for which `slowReaders` says `drop` or `latest`, a member that does not keep up misses messages instead:
 *   when it has read, it gets a `gap` frame of the client protocol with their number, then of a `latest` room the
 *   latest of each key, then what follows; at most one `gap` a second and room. One that leaves the room
 *   before that gets the `gap` as it leaves.
 * - The handler's `closed` comes exactly once for each connection that was opened, within the
 *   call where this side closed it.
 * - Every refused upgrade gets an HTTP status and a coded JSON body, and is counted.
 */
export interface TransportServer<U = unknown> extends LocalDelivery, AsyncDisposable {
  /**
   * Listens, or attaches itself. Fails with `port-in-use`, `options-invalid` (no address of
   * this machine, or not permitted), `unavailable` (too many open files) or, after `close`,
   * `closed`. Every call returns the same promise.
   */
  start(): Promise<ListeningAddress>;
  /** Stops listening and refuses upgrades from now on; open connections stay. */
  stopAccepting(): void;
  /**
   * Refuses upgrades from now on, with `unavailable` (pending ones with `closed`), and
   * closes the open connections with `going-away` in waves: about as many at a time, in no order, every
   * tenth of a second or so, at least 20 a second. Meanwhile everything works on for those
   * who are left, and HTTP is answered, so that a balancer can see it. Resolves when every connection
   * was told; `close` ends it, as does the signal. Every call returns the first one's promise.
   * Throws `options-invalid`.
   */
  drain(options: DrainOptions): Promise<void>;
  /**
   * Stops listening, refuses pending upgrades, closes every connection with `going-away`
   * in batches, and cuts what is left. Every call returns the same promise.
   */
  close(): Promise<void>;
  /**
   * Tells the members of a room, with a `gap` frame, that messages were lost on their way to this server:
   * this many, or an unknown number. One that is behind is told with what it missed itself.
   */
  tellGap(room: string, missed: number | undefined): void;
  /** An open connection. */
  connection(id: string): TransportConnection<U> | undefined;
  /** The open connections of a user. */
  connectionsOf(userId: string): TransportConnection<U>[];
  /** Members that a room has here. */
  membersOf(room: string): number;
  /** Open connections that a user has here. */
  countOf(userId: string): number;
  /** Counters of the server. */
  stats(): TransportStats;
}
