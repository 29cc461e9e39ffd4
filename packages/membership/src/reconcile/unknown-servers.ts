import type { ServerIncarnation, ServerReaping } from "@cm/protocol";

/** Holders that are kept at most; more come back with a later look. */
const UNKNOWN_SERVERS_MAX = 1_000;

/** What {@link UnknownServers} need. */
export interface UnknownServersOptions {
  readonly servers: Pick<ServerReaping, "unknown">;
  /** For so long a holder must have been unknown, without a break, to be taken for dead. */
  readonly graceMs: number;
  /** A holder of whom nothing was found for so long is forgotten: more than looking at everything takes. */
  readonly keepMs: number;
}

/** One that is unknown; times in milliseconds of the monotonic clock. */
interface UnknownServer {
  readonly holder: ServerIncarnation;
  readonly sinceMs: number;
  /** When something of it was found the last time. */
  foundMs: number;
}

/**
 * Holders whose members or connections lie in the store, and of which the registry knows
 * nothing. It may have lost them only now, and they register again with their next heartbeat:
 * so it is asked again at each heartbeat here, for longer than a lease lasts.
 */
export class UnknownServers {
  readonly #options: UnknownServersOptions;
  readonly #unknownServers = new Map<string, UnknownServer>();

  constructor(options: UnknownServersOptions) {
    this.#options = options;
  }

  /** The registry may have lost, or forgotten, anybody: what it said before says nothing now. */
  forget(): void {
    this.#unknownServers.clear();
  }

  /** Asks again after all; to be called at each heartbeat. */
  async beat(): Promise<void> {
    const before = performance.now() - this.#options.keepMs;
    for (const [name, { foundMs }] of this.#unknownServers) if (foundMs < before) this.#unknownServers.delete(name);
    if (this.#unknownServers.size === 0) return;
    const asked = [...this.#unknownServers.values()].map(({ holder }) => holder);
    try {
      const unknown = new Set((await this.#options.servers.unknown(asked)).map(nameOf));
      for (const name of asked.map(nameOf)) if (!unknown.has(name)) this.#unknownServers.delete(name);
    } catch (cause) {
      this.forget();
      throw cause;
    }
  }

  /** Those of the holders that are to be taken for dead; notes those that are unknown. */
  async dead(holders: readonly ServerIncarnation[]): Promise<ServerIncarnation[]> {
    const news = holders.filter((holder) => !this.#unknownServers.has(nameOf(holder)));
    const unknown = news.length === 0 ? [] : await this.#options.servers.unknown(news);
    const now = performance.now();
    for (const holder of unknown) {
      if (this.#unknownServers.size >= UNKNOWN_SERVERS_MAX) break;
      this.#unknownServers.set(nameOf(holder), { holder, sinceMs: now, foundMs: now });
    }
    return holders.filter((holder) => {
      const stranger = this.#unknownServers.get(nameOf(holder));
      if (stranger === undefined) return false;
      stranger.foundMs = now;
      return now - stranger.sinceMs >= this.#options.graceMs;
    });
  }
}

/** Server ids have no dot, so no two holders share a name. */
export function nameOf({ serverId, incarnation }: ServerIncarnation): string {
  return `${serverId}.${incarnation}`;
}
