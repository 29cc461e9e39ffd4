import type { RegistrySnapshot } from "@cm/protocol";
import { RECENTLY_GONE_MAX, RECENTLY_GONE_MS } from "@cm/protocol/store";

/** The servers that left recently, limited in age and number. */
export class RecentlyGone {
  readonly #now: () => number;
  /** By name, in the order of departure. */
  readonly #servers = new Map<string, { readonly serverId: string; readonly atMs: number }>();
  /** All departures after this time are known. It lies before the hub's start, when there were no servers. */
  #sinceMs: number;

  constructor(now: () => number) {
    this.#now = now;
    this.#sinceMs = now() - RECENTLY_GONE_MS;
  }

  add(name: string, serverId: string): void {
    const atMs = this.#now();
    this.#servers.set(name, { serverId, atMs });
    this.#sinceMs = Math.max(this.#sinceMs, atMs - RECENTLY_GONE_MS);
    for (const [old, gone] of this.#servers) {
      if (gone.atMs >= this.#sinceMs && this.#servers.size <= RECENTLY_GONE_MAX) break;
      this.#servers.delete(old);
      this.#sinceMs = Math.max(this.#sinceMs, gone.atMs + 1);
    }
  }

  /** Forgets the departure of a server that has registered again. */
  takeBack(name: string): void {
    this.#servers.delete(name);
  }

  known(): Pick<RegistrySnapshot, "recentlyGone" | "knownForMs"> {
    const now = this.#now();
    const recentlyGone = [...this.#servers.values()].map(({ serverId, atMs }) => ({ serverId, agoMs: now - atMs }));
    return { recentlyGone, knownForMs: now - this.#sinceMs };
  }
}
