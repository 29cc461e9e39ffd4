import type { Lease, ServerIncarnation } from "./server-registry.js";

/**
 * A server to clean up after: a dead one is named by its id alone, an orphan by its incarnation.
 * An orphan is a server that the registry does not know (see `ServerRegistry`), and that has
 * members of rooms or connections of users in the store.
 */
export interface ReapTarget {
  /** The server's id. */
  readonly serverId: string;
  /** Of an orphan. Absent for a dead server. */
  readonly incarnation?: string;
}

/** The right to clean up after a server, for a while. */
export interface ReapClaim {
  /** The dead server. */
  readonly serverId: string;
  /** Which life of it. */
  readonly incarnation: string;
  /** Whether it is the claim on an orphan: that may be held by several at once, and is never unregistered. */
  readonly isOrphan: boolean;
  /** How many shelves hold the server's records: 2 to this power. 0 for an orphan, whose records are not known. */
  readonly shelfBits: number;
  /** When the right runs out and another may claim, in milliseconds of the store's clock. */
  readonly expiresAtMs: number;
}

/** What a server hears as it gives a sign of life. */
export interface WatchReport {
  /** Whether the registry holds the server's lease. */
  readonly isHeld: boolean;
  /** Servers that hold a lease, and whose last sign of life is older than was asked for; at most 100. */
  readonly silent: readonly ServerIncarnation[];
}

/**
 * What became of a silent server's lease.
 *
 * - `expired`: it has run out now, or had before: the server can be cleaned up after
 * - `recent`: nothing listens to the server's channel, but its last sign of life is not old enough
 * - `alive`: its channel has a listener, or it never gave signs of life: the lease decides
 */
export type SilenceVerdict = "expired" | "recent" | "alive";

/**
 * Who cleans up after a server, and which servers died while their leases live on.
 *
 * Claims. Promises:
 *
 * - At most one claim on a dead server is in effect at a time. The same claimant may claim again,
 *   which extends the claim; a claim that runs out can be won by another.
 * - A server that is alive, or acquired its lease again, can't be claimed.
 * - Several may hold the claim on an orphan at once. A server that the registry knows, as living
 *   or as dead, can't be claimed as an orphan. Where the orphan comes back all the same, it waits
 *   for the end of the claim (`server-id-expired`, as for any claim), and its lease says that it
 *   was reaped.
 * - Once a claim has run out, nothing more is written under it.
 *
 * Silence. A server gives a sign of life every second or so, and listens to its own channel
 * (`{ kind: "server" }`). When its process dies both end at once; when it is paused its
 * subscription stays; when its subscriber is replaced the signs go on. Promises:
 *
 * - `watch` is one round trip and costs O(silent servers).
 * - A lease is ended by `expire` only where both signs and listener are missing at that moment.
 * - A server that never called `watch` is never ended so.
 */
export interface ServerUpkeep {
  /**
   * `undefined` where a dead server is alive, is unknown, or is claimed by another; where an orphan
   * is known. `claimant` names the process, such as `<serverId>.<incarnation>`; it needs no
   * lease, since a server that starts cleans up after its own predecessor.
   */
  claim(target: ReapTarget, claimant: string, claimMs: number): Promise<ReapClaim | undefined>;
  /** Forgets the dead server. Does nothing where the claim is no longer held, or is on an orphan. */
  unregister(claim: ReapClaim): Promise<void>;
  /** Gives a sign of life of the lease's server, and names those that gave none for `silentForMs`. */
  watch(lease: Lease, silentForMs: number): Promise<WatchReport>;
  /** Ends the lease of a server that is silent for `silentForMs`, as if its time had run out. */
  expire(server: ServerIncarnation, silentForMs: number): Promise<SilenceVerdict>;
}
