import type { Lease, ReapClaim, ServerIncarnation } from "./leases-and-claims.js";

/**
 * A server to clean up: a dead server is identified by its id alone, an orphan by its id and
 * incarnation. An orphan is a server that the registry does not know (see `ServerRegistry`) and that
 * has room members or users' connections in the store.
 */
export interface ReapTarget {
  /** The server's id. */
  readonly serverId: string;
  /** The incarnation of an orphan. Absent for a dead server. */
  readonly incarnation?: string;
}

/** The result of a sign of life. */
export interface WatchReport {
  /** Whether the registry holds the server's lease. */
  readonly isHeld: boolean;
  /**
   * Number of servers, this one included, that sent a sign of life within `silentForMs`; 0 if the lease is not
   * held. After the store lost its data, the number grows as servers send signs of life again.
   */
  readonly speaking: number;
  /** Servers that hold a lease and whose last sign of life is older than `silentForMs`; at most 100. */
  readonly silent: readonly ServerIncarnation[];
}

/**
 * The result of `ServerUpkeep.expire` for a silent server.
 *
 * - `expired`: the lease has been ended now, or had expired before; the server can be cleaned up
 * - `recent`: the server's channel has no subscriber, but its last sign of life is not old enough
 * - `alive`: the channel has a subscriber, or the server never sent a sign of life; only the expiry of the
 *   lease decides
 */
export type SilenceVerdict = "expired" | "recent" | "alive";

/**
 * Claims to clean up servers, and the detection of servers that died while their leases are still valid.
 *
 * Guarantees of claims:
 *
 * - At most one claim on a dead server is in effect at a time. The same claimant may claim again, which
 *   extends the claim; after a claim has expired, another server can claim.
 * - A server that is alive, or acquired its lease again, can't be claimed.
 * - Several servers may hold the claim on an orphan at once. A server that the registry knows, living or
 *   dead, can't be claimed as an orphan. If the orphan's process comes back nevertheless, it must wait until
 *   the claim ends (`server-id-expired`, as for any claim), and its lease then has `wasReaped` set.
 * - Once a claim has expired, nothing more is written under it.
 *
 * A server sends a sign of life about every second, and is subscribed to its own channel (`{ kind: "server" }`).
 * When its process dies, both end at once. When the process is paused, its subscription remains; when its
 * subscriber connection is replaced, the signs of life continue. Guarantees of the detection:
 *
 * - `watch` is one round trip and costs O(silent servers).
 * - `expire` ends a lease only if both the signs of life and the subscription are missing at that moment.
 * - The lease of a server that never called `watch` is never ended by `expire`.
 */
export interface ServerUpkeep {
  /**
   * Claims a server for `claimMs`. `claimant` identifies the process, such as `<serverId>.<incarnation>`; the
   * process needs no lease, because a server that starts cleans up its own predecessor. Resolves with
   * `undefined` if the target can't be claimed:
   *
   * - a dead server (`target` has no `incarnation`): if it is not registered, if its lease is valid, or if the
   *   claim of another claimant is in effect
   * - an orphan (`target` has an `incarnation`): if the registry knows that incarnation
   */
  claim(target: ReapTarget, claimant: string, claimMs: number): Promise<ReapClaim | undefined>;
  /** Sends a sign of life for the lease's server, and lists the servers that sent none for `silentForMs`. */
  watch(lease: Lease, silentForMs: number): Promise<WatchReport>;
  /**
   * Ends the lease of a server that has sent no sign of life for `silentForMs`, as if the lease had expired.
   */
  expire(server: ServerIncarnation, silentForMs: number): Promise<SilenceVerdict>;
}
