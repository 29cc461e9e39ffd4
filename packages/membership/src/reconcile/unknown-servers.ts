import type { ServerIncarnation, ServerUpkeep } from "@cm/protocol";

/** The most unknown servers remembered; a later pass finds the others again. */
const UNKNOWN_SERVERS_MAX = 1_000;

/** What {@link UnknownServers} need. */
export interface UnknownServersOptions {
  readonly servers: Pick<ServerUpkeep, "unknown">;
  /** How long a server must stay unknown to the registry, without a break, before it is presumed dead. */
  readonly graceMs: number;
  /** How long a server is remembered after its last entry was found; longer than one full pass. */
  readonly keepMs: number;
}

/** An unknown server; times in milliseconds of the monotonic clock. */
interface UnknownServer {
  readonly identity: ServerIncarnation;
  readonly sinceMs: number;
  /** When one of its entries was last found. */
  foundMs: number;
}

/**
 * Servers that own members or connections in the store and that the registry does not know. The
 * registry may have lost a living server a moment ago, which registers again with its next
 * heartbeat. So the registry is asked again at each heartbeat, for longer than a lease lasts.
 */
export class UnknownServers {
  readonly #options: UnknownServersOptions;
  readonly #unknownServers = new Map<string, UnknownServer>();

  constructor(options: UnknownServersOptions) {
    this.#options = options;
  }

  /** Starts over: after a loss of data, earlier answers of the registry prove nothing. */
  forget(): void {
    this.#unknownServers.clear();
  }

  /** Asks the registry about all of them again; to be called at each heartbeat. */
  async beat(): Promise<void> {
    const before = performance.now() - this.#options.keepMs;
    for (const [name, { foundMs }] of this.#unknownServers) if (foundMs < before) this.#unknownServers.delete(name);
    if (this.#unknownServers.size === 0) return;
    const asked = [...this.#unknownServers.values()].map(({ identity }) => identity);
    try {
      const unknown = new Set((await this.#options.servers.unknown(asked)).map(nameOf));
      for (const name of asked.map(nameOf)) if (!unknown.has(name)) this.#unknownServers.delete(name);
    } catch (cause) {
      this.forget();
      throw cause;
    }
  }

  /** Those of the servers that are presumed dead; remembers the ones that are unknown. */
  async dead(incarnations: readonly ServerIncarnation[]): Promise<ServerIncarnation[]> {
    const news = incarnations.filter((identity) => !this.#unknownServers.has(nameOf(identity)));
    const unknown = news.length === 0 ? [] : await this.#options.servers.unknown(news);
    const now = performance.now();
    for (const identity of unknown) {
      if (this.#unknownServers.size >= UNKNOWN_SERVERS_MAX) break;
      this.#unknownServers.set(nameOf(identity), { identity, sinceMs: now, foundMs: now });
    }
    return incarnations.filter((identity) => {
      const stranger = this.#unknownServers.get(nameOf(identity));
      if (stranger === undefined) return false;
      stranger.foundMs = now;
      return now - stranger.sinceMs >= this.#options.graceMs;
    });
  }
}

/** Server ids have no dot, so the names are unique. */
export function nameOf({ serverId, incarnation }: ServerIncarnation): string {
  return `${serverId}.${incarnation}`;
}
