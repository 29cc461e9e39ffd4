/** The servers whose leases have expired; each is reported once. */
export class LostServers {
  readonly #self: string;
  readonly #onLost: (serverIds: readonly string[]) => void;
  /** Servers that the latest heartbeat returned, or that were added since. */
  #lost: ReadonlySet<string> = new Set();

  constructor(self: string, onLost: (serverIds: readonly string[]) => void) {
    this.#self = self;
    this.#onLost = onLost;
  }

  /** Adds a server to those that the latest heartbeat returned. */
  add(serverId: string): void {
    this.replace([serverId, ...this.#lost]);
  }

  /** Replaces the list by the result of a heartbeat, and reports the servers that were not in it before. */
  replace(serverIds: readonly string[]): void {
    const known = this.#lost;
    this.#lost = new Set(this.othersOf(serverIds));
    const news = [...this.#lost].filter((serverId) => !known.has(serverId));
    if (news.length > 0) this.#onLost(news);
  }

  /** Returns the given ids without the id of this server. */
  othersOf(serverIds: readonly string[]): string[] {
    return serverIds.filter((serverId) => serverId !== this.#self);
  }
}
