import type { CmError } from "../errors.js";

/** What a server tells about itself when it takes its lease. */
export interface ServerRegistration {
  /** See `isServerId`. */
  readonly serverId: string;
  /** Four characters drawn when the process started, the ones in its connection ids. */
  readonly incarnation: string;
  /** Where other machines reach it, as configured; not interpreted here. */
  readonly host: string;
  /** The port there, as configured; not interpreted here. */
  readonly port: number;
  /** From the connection id source: how many shelves hold its records. */
  readonly shelfBits: number;
}

/** What a server counts and tells with each heartbeat. */
export interface ServerCounters {
  /** Open connections. */
  readonly connections: number;
  /** Rooms with at least one member here. */
  readonly rooms: number;
}

/**
 * A server's right to be believed alive. Every write of its projection names it; a
 * write under a lease whose time has run out is refused.
 */
export interface Lease {
  /** The server that holds it. */
  readonly serverId: string;
  /** Which life of the server holds it. */
  readonly incarnation: string;
  /** Fencing token: greater at each acquisition, the same over renewals. */
  readonly token: number;
  /** When it runs out, in milliseconds of the store's clock (never the server's). */
  readonly expiresAtMs: number;
  /** How long it lives from a renewal on, in milliseconds. */
  readonly ttlMs: number;
  /**
   * Whether others have begun to clean up after an earlier lease of this incarnation, and
   * so have announced that its connections are gone: what it writes again is news to them.
   * Where it is `false`, no server has missed them.
   */
  readonly wasReaped: boolean;
}

/** One process that has held a lease: what the ids of its connections begin with. */
export interface ServerIncarnation {
  /** The server's id. */
  readonly serverId: string;
  /** Which life of it. */
  readonly incarnation: string;
}

/** A living server, as others see it. */
export interface ServerInfo extends ServerRegistration, ServerCounters {
  /** The fencing token of its lease. */
  readonly token: number;
  /** Milliseconds since the Unix epoch, of the store's clock. */
  readonly startedAt: number;
  /** Milliseconds since the Unix epoch, of the store's clock. */
  readonly lastHeartbeat: number;
  /** When its lease runs out, in milliseconds of the store's clock. */
  readonly expiresAtMs: number;
}

/** What a heartbeat brings back. */
export interface Renewal {
  /** The lease with its new end. */
  readonly lease: Lease;
  /** Ids of servers whose lease has run out and that are not cleaned up yet; at most 100. */
  readonly expired: readonly string[];
  /**
   * Ids of servers that others have cleaned up after since this lease's last heartbeat, so
   * that one that was `expired` only in between is heard of; at most 100. May be named twice.
   */
  readonly unregistered: readonly string[];
  /**
   * What was found wrong with the store as a whole, although the lease was renewed: by now it
   * holds another layout (`layout-mismatch`), so that servers may write in two ways. The
   * server goes on for those it serves, and should get no new connections. May be a heartbeat late.
   */
  readonly fault?: CmError | undefined;
}

/** A server that has no valid lease, and that has not been cleaned up after. */
export interface LapsedServer extends ServerIncarnation {
  /**
   * Whether the registry still holds its registration. If so, its lease has run out, and it can be
   * claimed by its id (see `ServerUpkeep`). If not, the store has lost the registration, and the
   * server can be claimed only as an orphan, once its lease has run out too.
   */
  readonly isRegistered: boolean;
}

/** A server that has gone, as far as the registry knows. */
export interface Departure {
  /** The server that went. */
  readonly serverId: string;
  /** How long ago it gave its lease up, or was cleaned up after, by the store's clock. */
  readonly agoMs: number;
}

/** All servers of one moment, and those that were there shortly before. */
export interface RegistrySnapshot {
  /** Servers that hold a lease, each once, in no particular order. */
  readonly living: readonly ServerInfo[];
  /**
   * Servers whose lease has run out and that have not been cleaned up after: some may only be late.
   * Readers leave out what the store holds of them. Servers whose registration was lost are here too.
   */
  readonly lapsed: readonly LapsedServer[];
  /** Those that went within the last `knownForMs`, and have not come back since as the same incarnation. */
  readonly recentlyGone: readonly Departure[];
  /** How far back departures are known; not positive where nothing is known of them, since the store lost its data. */
  readonly knownForMs: number;
}

/** What is read of servers. */
export interface SnapshotOptions {
  /**
   * Whether ids are all that is wanted of living servers. The store may then leave out the rest of what
   * they told, as empty text and 0, and name as living also those whose registration was lost; it
   * may as well read everything. Default `false`.
   */
  readonly idsOnly?: boolean;
}

/**
 * Who is alive. Promises:
 *
 * - A server id has at most one living holder. `acquire` while another incarnation's lease lives
 *   fails with `server-id-taken`; by the same incarnation it succeeds and draws a
 *   greater token (a server that lost its lease acquires it again).
 * - `acquire` on an id whose earlier incarnation ran out but was not cleaned up fails
 *   with `server-id-expired`: clean up, then try again.
 *   So it does for every incarnation, the same one too, while a claim to clean up is in effect:
 *   two must not write about one server.
 * - `renew` and `release` work only for the token that the registry holds;
 *   `renew` fails with `lease-lost`, `release` does nothing.
 * - Time is the store's own. A `snapshot` lists no server as living whose lease has run out,
 *   from the moment it does.
 * - Every server that ever held a lease, and may have done something in the time that a
 *   `snapshot` looks back, is in it: as living, as lapsed, or as a departure. Departures are known
 *   for at most ten minutes, and at most 1,000 of them.
 * - A server that a `snapshot` names neither as living nor as lapsed is unknown to the registry:
 *   what the store holds of it is an orphan. The registry may have lost a living server only just
 *   now; that one registers again with its next heartbeat.
 * - `acquire` fails with `layout-mismatch` where the store holds another layout; one that
 *   comes there later is told with a renewal.
 */
export interface ServerRegistry {
  /** Takes the lease of a server id for `ttlMs`. */
  acquire(registration: ServerRegistration, ttlMs: number): Promise<Lease>;
  /** A heartbeat: moves the lease's end to `ttlMs` from now. */
  renew(lease: Lease, counters: ServerCounters): Promise<Renewal>;
  /** Gives the lease up. The caller has withdrawn its projection before. */
  release(lease: Lease): Promise<void>;
  /** All servers of one moment; costs O(servers), and one round trip where no server is new to the caller's store. */
  snapshot(options?: SnapshotOptions): Promise<RegistrySnapshot>;
}
