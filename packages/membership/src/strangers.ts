import type { LeaseHolder, ServerReaping } from "@cm/protocol";

/** Holders that are kept at most; more come back with a later look. */
const STRANGERS_MAX = 1_000;

/** What {@link Strangers} need. */
export interface StrangersOptions {
  readonly servers: Pick<ServerReaping, "unknown">;
  /** For so long a holder must have been unknown, without a break, to be taken for dead. */
  readonly graceMs: number;
}

/**
 * Holders whose members or connections lie in the store, and of which the registry knows
 * nothing. It may have lost them only now, and they register again with their next heartbeat:
 * so it is asked again at each heartbeat here, for longer than a lease lasts.
 */
export class Strangers {
  readonly #options: StrangersOptions;
  /** Since when each is unknown, in milliseconds of the monotonic clock. */
  readonly #since = new Map<string, { readonly holder: LeaseHolder; readonly sinceMs: number }>();

  constructor(options: StrangersOptions) {
    this.#options = options;
  }

  /** The registry may have lost, or forgotten, anybody: what it said before says nothing now. */
  forget(): void {
    this.#since.clear();
  }

  /** Asks again after all; to be called at each heartbeat. */
  async beat(): Promise<void> {
    if (this.#since.size === 0) return;
    const asked = [...this.#since.values()].map(({ holder }) => holder);
    try {
      const unknown = new Set((await this.#options.servers.unknown(asked)).map(nameOf));
      for (const name of asked.map(nameOf)) if (!unknown.has(name)) this.#since.delete(name);
    } catch (cause) {
      this.forget();
      throw cause;
    }
  }

  /** Those of the holders that are to be taken for dead; notes those that are unknown. */
  async dead(holders: readonly LeaseHolder[]): Promise<LeaseHolder[]> {
    const now = performance.now();
    const news = holders.filter((holder) => !this.#since.has(nameOf(holder)));
    const unknown = news.length === 0 ? [] : await this.#options.servers.unknown(news);
    for (const { serverId, incarnation } of unknown) {
      const holder = { serverId, incarnation };
      if (this.#since.size < STRANGERS_MAX) this.#since.set(nameOf(holder), { holder, sinceMs: performance.now() });
    }
    return holders.filter((holder) => {
      const noted = this.#since.get(nameOf(holder));
      return noted !== undefined && now - noted.sinceMs >= this.#options.graceMs;
    });
  }
}

/** Server ids have no dot, so no two holders share a name. */
export function nameOf({ serverId, incarnation }: LeaseHolder): string {
  return `${serverId}.${incarnation}`;
}
