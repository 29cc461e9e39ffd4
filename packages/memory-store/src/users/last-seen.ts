/** Limits for the times at which offline users were last online. */
export interface LastSeenLimits {
  /** How long each time is kept, in milliseconds. 0 keeps none. */
  readonly lastSeenTtlMs: number;
  /** Maximum number of users. */
  readonly lastSeenMax: number;
}

interface Entry {
  readonly at: number;
  readonly untilMs: number;
}

/** The times at which offline users were last online, for a limited time and up to a maximum number. */
export class LastSeen {
  readonly #now: () => number;
  /** Entries by user, in the order in which the users went offline. */
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

  /** Stores that a user goes offline now, and removes the entries that exceed the limits. */
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
