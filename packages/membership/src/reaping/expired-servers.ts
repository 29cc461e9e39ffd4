/** The servers whose leases have expired; each is reported once. */
export class ExpiredServers {
  readonly #self: string;
  readonly #onExpired: (serverIds: readonly string[]) => void;
  /** Servers that the latest heartbeat returned, or that were added since. */
  #expired: ReadonlySet<string> = new Set();

  constructor(self: string, onExpired: (serverIds: readonly string[]) => void) {
    this.#self = self;
    this.#onExpired = onExpired;
  }

  /** Adds a server to those that the latest heartbeat returned. */
  add(serverId: string): void {
    this.replace([serverId, ...this.#expired]);
  }

  /** Replaces the list by the result of a heartbeat, and reports the servers that were not in it before. */
  replace(serverIds: readonly string[]): void {
    const known = this.#expired;
    this.#expired = new Set(this.othersOf(serverIds));
    const news = [...this.#expired].filter((serverId) => !known.has(serverId));
    if (news.length > 0) this.#onExpired(news);
  }

  /** Returns the given ids without the id of this server. */
  othersOf(serverIds: readonly string[]): string[] {
    return serverIds.filter((serverId) => serverId !== this.#self);
  }
}
