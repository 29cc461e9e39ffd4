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
   * so have announced that its connections are gone: what it writes anew is news to them.
   * Where it is `false`, nobody has missed them.
   */
  readonly wasReaped: boolean;
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
   * server goes on for those it serves, and should get nobody new. May be a heartbeat late.
   */
  readonly fault?: CmError | undefined;
}

/** A server that has gone, as far as the registry knows. */
export interface Departure {
  /** The server that went. */
  readonly serverId: string;
  /** How long ago it gave its lease up, or was cleaned up after, by the store's clock. */
  readonly agoMs: number;
}

/** Who may be there at a moment, and who was there shortly before. */
export interface RegistrySnapshot {
  /**
   * Ids of servers that hold a lease, and of those whose lease has run out and that nobody
   * has cleaned up after: some of these may only be late.
   */
  readonly present: readonly string[];
  /** Those of `present` whose lease has run out: what the registry holds of them is left out by readers. */
  readonly lapsed: readonly string[];
  /** Those that went within the last `knownForMs`, and have not come back since as the same incarnation. */
  readonly recentlyGone: readonly Departure[];
  /** How far back departures are known; not positive where nothing is known of them, since the store lost its data. */
  readonly knownForMs: number;
}

/**
 * Who is alive. Promises:
 *
 * - One living holder a server id. `acquire` while another incarnation's lease lives
 *   fails with `server-id-taken`; by the same incarnation it succeeds and draws a
 *   greater token (a server that lost its lease takes it anew).
 * - `acquire` on an id whose earlier incarnation ran out but was not cleaned up fails
 *   with `server-id-expired`: clean up, then try again.
 *   So it does for every incarnation, the same one too, while somebody holds a claim
 *   to clean up: two must not write about one server.
 * - `renew` and `release` work only for the token that the registry holds;
 *   `renew` fails with `lease-lost`, `release` does nothing.
 * - Time is the store's own. `list` leaves out every server whose lease has run out,
 *   from the moment it does.
 * - Every server that ever held a lease, and may have done something in the time that a
 *   `snapshot` looks back, is in it: as `present` or as a departure. Departures are known for
 *   at most ten minutes, and fewer where there were more than a thousand.
 * - `acquire` fails with `layout-mismatch` where the store holds another layout; one that
 *   comes there later is told with a renewal.
 */
export interface ServerRegistry {
  /** Takes the lease of a server id for `ttlMs`. */
  acquire(registration: ServerRegistration, ttlMs: number): Promise<Lease>;
  /** A heartbeat: moves the lease's end to `ttlMs` from now. */
  renew(lease: Lease, counters: ServerCounters): Promise<Renewal>;
  /** Gives the lease up. Whoever calls it has withdrawn its projection before. */
  release(lease: Lease): Promise<void>;
  /** All living servers; costs O(servers). */
  list(): Promise<ServerInfo[]>;
  /** All who may be there, and who went lately; costs O(servers) and one round trip. */
  snapshot(): Promise<RegistrySnapshot>;
}

/** One process that has held a lease: what the ids of its connections begin with. */
export interface ServerIncarnation {
  /** The server's id. */
  readonly serverId: string;
  /** Which life of it. */
  readonly incarnation: string;
}

/** A dead server that this process has the right to clean up, for a while. */
export interface ReapClaim {
  /** The dead server. */
  readonly serverId: string;
  /** Which life of it. */
  readonly incarnation: string;
  /** Its records are on `2 ** shelfBits` shelves. */
  readonly shelfBits: number;
  /** When the right runs out and another may claim, in milliseconds of the store's clock. */
  readonly expiresAtMs: number;
}

/**
 * Who cleans up after a dead server. Promises: at most one claim (`claim`) on a dead server at a
 * time (the same claimant may claim again, which extends it); a claim that runs out can
 * be won by another; a server that is alive, or took its lease anew, can't be claimed;
 * once the claim has run out, nothing more is written under it.
 */
export interface ServerUpkeep {
  /**
   * `undefined` where the server lives, is unknown, or another claimant holds the claim.
   * `claimant` names the process, such as `<serverId>.<incarnation>`; it needs no lease,
   * since a server that starts cleans up after its own predecessor.
   */
  claim(serverId: string, claimant: string, claimMs: number): Promise<ReapClaim | undefined>;
  /** Forgets the dead server. Does nothing where the claim is no longer held. */
  unregister(claim: ReapClaim): Promise<void>;
  /** All who hold a lease; one round trip, O(servers). */
  living(): Promise<ServerIncarnation[]>;
  /**
   * Those of the holders that hold no lease and that the registry does not know, neither as
   * living nor as dead: nobody will clean up after them. One round trip. The registry may have
   * lost a living one only just now; it registers again with its next heartbeat.
   */
  unknown(holders: readonly ServerIncarnation[]): Promise<ServerIncarnation[]>;
  /**
   * The right to remove what an {@link unknown} holder has left in rooms and of users, for a
   * while; `undefined` where the holder is known. Several may have it at once, and it is not
   * to be unregistered. Where the holder comes back all the same, it waits for the end of the right
   * (`server-id-expired`, as for a claim), and its lease says that it was reaped.
   */
  claimOrphan(holder: ServerIncarnation, claimMs: number): Promise<ReapClaim | undefined>;
}
