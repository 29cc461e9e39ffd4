/** The servers whose leases ran out, each told of once. */
export class LostServers {
  readonly #self: string;
  readonly #onLost: (serverIds: readonly string[]) => void;
  /** Servers that the last heartbeat named, or that were claimed since. */
  #lost: ReadonlySet<string> = new Set();

  constructor(self: string, onLost: (serverIds: readonly string[]) => void) {
    this.#self = self;
    this.#onLost = onLost;
  }

  /** One more, beside those that the last heartbeat named. */
  add(serverId: string): void {
    this.replace([serverId, ...this.#lost]);
  }

  /** What a heartbeat named; tells of those that were not named before. */
  replace(serverIds: readonly string[]): void {
    const known = this.#lost;
    this.#lost = new Set(this.othersOf(serverIds));
    const news = [...this.#lost].filter((serverId) => !known.has(serverId));
    if (news.length > 0) this.#onLost(news);
  }

  /** These without this server itself. */
  othersOf(serverIds: readonly string[]): string[] {
    return serverIds.filter((serverId) => serverId !== this.#self);
  }
}
