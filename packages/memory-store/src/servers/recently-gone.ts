import { holderName, type RegistrySnapshot, type ServerIncarnation } from "@cm/protocol";
import { RECENTLY_GONE_MAX, RECENTLY_GONE_MS } from "@cm/protocol/store";

/** The incarnations of servers that have gone, for a limited time and up to a maximum number. */
export class RecentlyGone {
  readonly #now: () => number;
  /** When each incarnation left the registry, the earliest first. */
  readonly #wentAt = new Map<string, { readonly serverId: string; readonly atMs: number }>();
  /** The time from which the list is complete. */
  #completeFromMs: number;

  constructor(now: () => number) {
    this.#now = now;
    // No server existed before this list began, so it is complete.
    this.#completeFromMs = now() - RECENTLY_GONE_MS;
  }

  add(holder: ServerIncarnation): void {
    this.#wentAt.set(holderName(holder), { serverId: holder.serverId, atMs: this.#now() });
    this.#completeFromMs = Math.max(this.#completeFromMs, this.#now() - RECENTLY_GONE_MS);
    for (const [name, { atMs }] of this.#wentAt) {
      if (atMs >= this.#completeFromMs && this.#wentAt.size <= RECENTLY_GONE_MAX) return;
      this.#wentAt.delete(name);
      this.#completeFromMs = Math.max(this.#completeFromMs, atMs + 1);
    }
  }

  /** Removes an incarnation from the list, because its server is registered again. */
  takeBack(holder: ServerIncarnation): void {
    this.#wentAt.delete(holderName(holder));
  }

  known(): Pick<RegistrySnapshot, "recentlyGone" | "knownForMs"> {
    const now = this.#now();
    const recentlyGone = [...this.#wentAt.values()].map(({ serverId, atMs }) => ({ serverId, agoMs: now - atMs }));
    return { recentlyGone, knownForMs: now - this.#completeFromMs };
  }
}
