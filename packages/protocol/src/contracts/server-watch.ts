import type { Lease, ServerIncarnation } from "./server-registry.js";

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
 * Finds servers whose process died while their leases live on. A server gives a sign of life
 * every second or so, and listens to its own channel (`{ kind: "server" }`). When its
 * process dies both end at once; when it is paused its subscription stays; when its
 * subscriber is replaced the signs go on. Promises:
 *
 * - `watch` is one round trip and costs O(silent servers).
 * - A lease is ended by `expire` only where both signs and listener are missing at that moment.
 * - A server that never called `watch` is never ended so.
 */
export interface ServerWatch {
  /** Gives a sign of life of the lease's server, and names those that gave none for `silentForMs`. */
  watch(lease: Lease, silentForMs: number): Promise<WatchReport>;
  /** Ends the lease of a server that is silent for `silentForMs`, as if its time had run out. */
  expire(server: ServerIncarnation, silentForMs: number): Promise<SilenceVerdict>;
}
