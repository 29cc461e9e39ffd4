/** How much is remembered of users who are offline. */
export interface LastSeenLimits {
  /** For how long, in milliseconds. 0: not at all. */
  readonly lastSeenTtlMs: number;
  /** Of how many users. */
  readonly lastSeenMax: number;
}

interface Entry {
  readonly at: number;
  readonly untilMs: number;
}

/** When users who are offline were last online, for a limited time and number. */
export class LastSeen {
  readonly #now: () => number;
  /** In the order of going offline. */
  readonly #entries = new Map<string, Entry>();

  constructor(now: () => number) {
    this.#now = now;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(userId: string): number | undefined {
    const entry = this.#entries.get(userId);
    return entry !== undefined && entry.untilMs > this.#now() ? entry.at : undefined;
  }

  /** Notes that a user went offline now, and lets go of who did so too long ago. */
  note(userId: string, { lastSeenTtlMs, lastSeenMax }: LastSeenLimits): void {
    const now = this.#now();
    this.#entries.delete(userId);
    if (lastSeenTtlMs > 0) this.#entries.set(userId, { at: Math.floor(now), untilMs: now + lastSeenTtlMs });
    for (const [oldest, { untilMs }] of this.#entries) {
      if (untilMs > now && this.#entries.size <= lastSeenMax) return;
      this.#entries.delete(oldest);
    }
  }

  forget(userId: string): void {
    this.#entries.delete(userId);
  }
}
