import { holderName, type RegistrySnapshot, type ServerIncarnation } from "@cm/protocol";

/** Maximum number of unknown servers remembered; a later pass finds the others again. */
const UNKNOWN_SERVERS_MAX = 1_000;

/** Options of {@link UnknownServers}. */
export interface UnknownServersOptions {
  /**
   * How long a server must stay unknown to the registry, without interruption, before it is presumed dead, in
   * milliseconds.
   */
  readonly graceMs: number;
  /**
   * How long a server is remembered after one of its entries was found, in milliseconds. Longer than a pass over all
   * partitions, because the next entry may be found that much later.
   */
  readonly keepMs: number;
}

/** An unknown server; times in milliseconds on the monotonic clock. */
interface UnknownServer {
  readonly sinceMs: number;
  /** Time at which one of the server's entries was last found. */
  foundMs: number;
}

/**
 * Servers that own members or connections in the store but are unknown to the registry. The registry may have
 * just lost a living server, which registers again with its next heartbeat. Therefore a server is presumed
 * dead only if it is missing from every snapshot for longer than a lease lasts.
 */
export class UnknownServers {
  readonly #options: UnknownServersOptions;
  readonly #unknownServers = new Map<string, UnknownServer>();
  /** Names of the servers in the latest snapshot. */
  #known: ReadonlySet<string> = new Set();

  constructor(options: UnknownServersOptions) {
    this.#options = options;
  }

  /** Forgets all unknown servers: after a loss of data, earlier snapshots of the registry prove nothing. */
  forget(): void {
    this.#unknownServers.clear();
  }

  /** Applies a snapshot of the registry; must be called at each heartbeat. */
  beat({ living, lapsed }: RegistrySnapshot): void {
    // A lapsed server whose registration the store has lost counts as unknown, because reapers cannot find it.
    const registered = lapsed.filter(({ isRegistered }) => isRegistered);
    this.#known = new Set([...living, ...registered].map(holderName));
    const before = performance.now() - this.#options.keepMs;
    for (const [name, { foundMs }] of this.#unknownServers) {
      if (foundMs < before || this.#known.has(name)) this.#unknownServers.delete(name);
    }
  }

  /**
   * Returns those of the servers that are presumed dead, and remembers servers that are unknown for the first
   * time.
   */
  dead(incarnations: readonly ServerIncarnation[]): ServerIncarnation[] {
    const now = performance.now();
    return incarnations.filter((identity) => {
      const name = holderName(identity);
      if (this.#known.has(name)) return false;
      const found = this.#unknownServers.get(name);
      if (found !== undefined) {
        found.foundMs = now;
        return now - found.sinceMs >= this.#options.graceMs;
      }
      if (this.#unknownServers.size < UNKNOWN_SERVERS_MAX) {
        this.#unknownServers.set(name, { sinceMs: now, foundMs: now });
      }
      return false;
    });
  }
}
