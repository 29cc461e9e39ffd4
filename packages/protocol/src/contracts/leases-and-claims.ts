/** One process that has held a lease. The ids of its connections begin with these two values. */
export interface ServerIncarnation {
  /** The server's id. */
  readonly serverId: string;
  /** The incarnation of that server. */
  readonly incarnation: string;
}

/**
 * A server's right to be considered alive. Every write of the server's projection names the lease; a write
 * under an expired lease is rejected.
 */
export interface Lease {
  /** The server that holds the lease. */
  readonly serverId: string;
  /** The incarnation of the server that holds the lease. */
  readonly incarnation: string;
  /** Fencing token: greater after each acquisition, unchanged by renewals. */
  readonly token: number;
  /** When the lease expires, in milliseconds of the store's clock (never the server's). */
  readonly expiresAtMs: number;
  /** How long the lease is valid after each renewal, in milliseconds. */
  readonly ttlMs: number;
  /**
   * Whether other servers have begun to clean up after an earlier lease of this incarnation. If so, they have
   * announced that the incarnation's connections are gone, and the connections that it writes again must be
   * announced again. If `false`, no server has treated these connections as gone.
   */
  readonly wasReaped: boolean;
}

/** The exclusive right to clean up a server, for a limited time. Claims on orphans are not exclusive. */
export interface ReapClaim {
  /** The id of the server to clean up. */
  readonly serverId: string;
  /** The incarnation of that server. */
  readonly incarnation: string;
  /**
   * Whether this is a claim on an orphan. Several servers may hold such a claim at once, and an orphan
   * is never unregistered.
   */
  readonly isOrphan: boolean;
  /**
   * The server's records are stored in `2 ** partitionBits` record partitions. 0 for an orphan, whose records are not
   * known.
   */
  readonly partitionBits: number;
  /** When the claim expires, in milliseconds of the store's clock. Another server may claim from then on. */
  readonly expiresAtMs: number;
}
