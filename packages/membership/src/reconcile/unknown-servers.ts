import type { RegistrySnapshot, ServerIncarnation } from "@cm/protocol";

/** The most unknown servers remembered; a later pass finds the others again. */
const UNKNOWN_SERVERS_MAX = 1_000;

/** What {@link UnknownServers} need. */
export interface UnknownServersOptions {
  /** How long a server must stay unknown to the registry, without a break, before it is presumed dead. */
  readonly graceMs: number;
  /** How long a server is remembered after its last entry was found; longer than one full pass. */
  readonly keepMs: number;
}

/** An unknown server; times in milliseconds of the monotonic clock. */
interface UnknownServer {
  readonly sinceMs: number;
  /** When one of its entries was last found. */
  foundMs: number;
}

/**
 * Servers that own members or connections in the store and that the registry does not know. The
 * registry may have lost a living server a moment ago, which registers again with its next
 * heartbeat. So each snapshot is compared again, for longer than a lease lasts.
 */
export class UnknownServers {
  readonly #options: UnknownServersOptions;
  readonly #unknownServers = new Map<string, UnknownServer>();
  /** Names of the servers that the latest snapshot has. */
  #known: ReadonlySet<string> = new Set();

  constructor(options: UnknownServersOptions) {
    this.#options = options;
  }

  /** Starts over: after a loss of data, earlier answers of the registry prove nothing. */
  forget(): void {
    this.#unknownServers.clear();
  }

  /** Takes a snapshot of the registry; to be called at each heartbeat. */
  beat({ living, lapsed }: RegistrySnapshot): void {
    // A registration that the store has lost can't lead a reaper to the server.
    const registered = lapsed.filter(({ isRegistered }) => isRegistered);
    this.#known = new Set([...living, ...registered].map(nameOf));
    const before = performance.now() - this.#options.keepMs;
    for (const [name, { foundMs }] of this.#unknownServers) {
      if (foundMs < before || this.#known.has(name)) this.#unknownServers.delete(name);
    }
  }

  /** Those of the servers that are presumed dead; remembers the ones that are unknown. */
  dead(incarnations: readonly ServerIncarnation[]): ServerIncarnation[] {
    const now = performance.now();
    return incarnations.filter((identity) => {
      const name = nameOf(identity);
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

/** Server ids have no dot, so the names are unique. */
export function nameOf({ serverId, incarnation }: ServerIncarnation): string {
  return `${serverId}.${incarnation}`;
}
