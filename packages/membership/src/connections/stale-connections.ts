import type { ResolvedMembershipOptions } from "../options.js";
import type { OwnedConnections } from "./owned-connections.js";

type StaleConnectionsOptions = Pick<
  ResolvedMembershipOptions,
  "cleanupIntervalMs" | "lastSeenOf" | "now" | "onStale" | "staleConnectionTimeoutMs"
>;

/** Reports the connections that were last heard from longer ago than the timeout, once per cleanup interval. */
export class StaleConnections {
  readonly #local: OwnedConnections;
  readonly #options: StaleConnectionsOptions;
  #timer: NodeJS.Timeout | undefined;

  constructor(local: OwnedConnections, options: StaleConnectionsOptions) {
    this.#local = local;
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => this.#report(), this.#options.cleanupIntervalMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #report(): void {
    const { now, staleConnectionTimeoutMs, lastSeenOf, onStale } = this.#options;
    const before = now() - staleConnectionTimeoutMs;
    for (const { connectionId } of this.#local.all()) {
      const lastSeen = lastSeenOf(connectionId);
      if (lastSeen !== undefined && lastSeen < before) onStale(connectionId);
    }
  }
}
