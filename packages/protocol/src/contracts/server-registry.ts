import type { CmError } from "../errors.js";
import type { Lease, ReapClaim, ServerIncarnation } from "./leases-and-claims.js";

/** The data that a server registers when it acquires its lease. */
export interface ServerRegistration {
  /** The server's id; see `isServerId`. */
  readonly serverId: string;
  /** Four characters drawn when the process started. They are part of the server's connection ids. */
  readonly incarnation: string;
  /** The host at which other machines reach the server, as configured; not interpreted here. */
  readonly host: string;
  /** The port on that host, as configured; not interpreted here. */
  readonly port: number;
  /**
   * The server's records are stored in `2 ** partitionBits` record partitions. The value comes from its connection id
   * source.
   */
  readonly partitionBits: number;
}

/** The counters that a server reports with each heartbeat. */
export interface ServerCounters {
  /** Number of open connections. */
  readonly connections: number;
  /** Number of rooms with at least one member on this server. */
  readonly rooms: number;
}

/** A living server, as others see it. */
export interface ServerInfo extends ServerRegistration, ServerCounters {
  /** The fencing token of the server's lease. */
  readonly token: number;
  /** When the server started, in milliseconds since the Unix epoch, by the store's clock. */
  readonly startedAt: number;
  /** When the server last sent a heartbeat, in milliseconds since the Unix epoch, by the store's clock. */
  readonly lastHeartbeat: number;
  /** When the server's lease expires, in milliseconds of the store's clock. */
  readonly expiresAtMs: number;
}

/** The result of a heartbeat. */
export interface Renewal {
  /** The renewed lease, with its new expiry time. */
  readonly lease: Lease;
  /** Ids of servers whose lease has expired and that have not been cleaned up yet; at most 100. */
  readonly expired: readonly string[];
  /**
   * Ids of servers that others have cleaned up since this lease's last heartbeat; at most 100. A server that
   * both expired and was cleaned up between two heartbeats is reported only here. An id may be reported more
   * than once.
   */
  readonly unregistered: readonly string[];
  /**
   * A fault of the store as a whole that does not prevent the renewal: the store now holds another layout
   * (`layout-mismatch`), so that servers may write in two formats. The server continues to serve its
   * connections and should accept no new ones. May be reported one heartbeat late.
   */
  readonly fault?: CmError | undefined;
}

/** A server that has no valid lease and has not been cleaned up. */
export interface LapsedServer extends ServerIncarnation {
  /**
   * Whether the registry still holds the server's registration. If so, its lease has expired, and the
   * server can be claimed by its id (see `ServerUpkeep`). If not, the store has lost the registration,
   * and the server can be claimed only as an orphan, once its lease has expired too.
   */
  readonly isRegistered: boolean;
}

/** A server that is gone according to the registry. */
export interface Departure {
  /** The id of the server that is gone. */
  readonly serverId: string;
  /** Time since the server released its lease or was cleaned up, in milliseconds of the store's clock. */
  readonly agoMs: number;
}

/** All servers at one moment, and those that left shortly before. */
export interface RegistrySnapshot {
  /** Servers that hold a lease, each once, in no particular order. */
  readonly living: readonly ServerInfo[];
  /**
   * Servers whose lease has expired and that have not been cleaned up; some of them may still be alive and
   * only late with a heartbeat. Reads leave out the entries that the store holds for these servers. Servers
   * whose registration was lost are listed here too.
   */
  readonly lapsed: readonly LapsedServer[];
  /**
   * Servers that left or were cleaned up within the last `knownForMs` and have not registered again since as
   * the same incarnation.
   */
  readonly recentlyGone: readonly Departure[];
  /**
   * How far back departures are known, in milliseconds. 0 or less if no departures are known because the
   * store lost its data.
   */
  readonly knownForMs: number;
}

/** Options of `ServerRegistry.snapshot`. */
export interface SnapshotOptions {
  /**
   * Whether the caller only needs the ids of living servers. The store may then return the other fields
   * as empty text and 0, and may list servers whose registration was lost as living. It may also ignore
   * the option and read everything. Default `false`.
   */
  readonly idsOnly?: boolean;
}

/**
 * The servers that are alive. Guarantees:
 *
 * - At most one incarnation of a server id holds a valid lease. `acquire` rejects with `server-id-taken`
 *   while another incarnation's lease is valid. For the same incarnation it succeeds and draws a greater
 *   token, so that a server that lost its lease can acquire it again.
 * - `acquire` rejects with `server-id-expired` if an earlier incarnation's lease has expired and that
 *   incarnation was not cleaned up: the caller must clean up, then try again. While a claim to clean up is in
 *   effect, `acquire` rejects in this way for every incarnation, including the one that held the lease,
 *   because two processes must not write the data of one server.
 * - `renew` and `unregister` work only for the token that the registry holds; with another token, `renew`
 *   rejects with `lease-lost`, and `unregister` does nothing.
 * - Times are those of the store's clock. A `snapshot` lists no server as living whose lease has expired,
 *   from the moment it expires.
 * - A `snapshot` lists every server that may have acted under a lease within the last `knownForMs`: as living,
 *   as lapsed, or as recently gone. Departures are known for at most ten minutes, and at most 1,000 of them.
 * - A server that a `snapshot` lists neither as living nor as lapsed is unknown to the registry: its data in
 *   the store is an orphan. The registry may have lost a living server just before the call; that server
 *   registers again with its next heartbeat.
 * - `acquire` rejects with `layout-mismatch` if the store holds another layout. If the layout changes later,
 *   a renewal reports it.
 */
export interface ServerRegistry {
  /** Acquires the lease of a server id for `ttlMs`. */
  acquire(registration: ServerRegistration, ttlMs: number): Promise<Lease>;
  /** Renews the lease: it expires `ttlMs` from now. This is the heartbeat. */
  renew(lease: Lease, counters: ServerCounters): Promise<Renewal>;
  /**
   * Removes a server from the registry: the caller's own server under its lease, which ends, or a dead server under
   * the claim to clean it up. The server's entries must have been removed before. Does nothing if the lease or the
   * claim is no longer held, or if the claim is on an orphan.
   */
  unregister(right: Lease | ReapClaim): Promise<void>;
  /**
   * Lists all servers at one moment. Costs O(servers), and one round trip if the caller's store already
   * knows every server.
   */
  snapshot(options?: SnapshotOptions): Promise<RegistrySnapshot>;
}
