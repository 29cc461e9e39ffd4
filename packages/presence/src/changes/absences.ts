/** What {@link Absences} needs. */
export interface AbsencesOptions {
  /** How long an entry that readings lack still counts as there, in milliseconds. */
  readonly restoreWithinMs: number;
  /** Has the state read again; called when an entry has been waited for. */
  readonly reread: () => void;
}

/**
 * The connections that readings of one feed lack though nothing announced that they went. The store
 * may have lost them, or the lease of their server may have run out; the owner then writes them again with its
 * next heartbeat, which it does not announce. So each counts as there for `restoreWithinMs` after the beginning
 * of the first reading that lacked it. A reading that begins later decides.
 *
 * The one such rule: users, rooms and what stands on them (departures of rooms, rosters of games) wait here.
 */
export class Absences {
  readonly #options: AbsencesOptions;
  /** By connection id: when the first reading that lacked it began, by the monotonic clock. Bounded by the entries kept. */
  #since = new Map<string, number>();
  /** Until when the store is known to have lost data. */
  #lostUntil = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: AbsencesOptions) {
    this.#options = options;
  }

  /** The store is known to have lost data just now. */
  noteLoss(): void {
    this.#lostUntil = performance.now() + this.#options.restoreWithinMs;
    this.#schedule();
  }

  /** Whether a reading that began then may show what is there in part. */
  isLost(beganAt: number): boolean {
    return beganAt < this.#lostUntil;
  }

  /**
   * Judges a whole reading that began at `beganAt`: `install` asks of each connection that the reading lacks
   * whether it is still waited for. What is not asked for is not waited for any more.
   */
  judge(beganAt: number, install: (isAwaited: (connectionId: string) => boolean) => void): void {
    const awaited = new Map<string, number>();
    install((connectionId) => {
      const since = this.#since.get(connectionId) ?? beganAt;
      if (beganAt - since >= this.#options.restoreWithinMs) return false;
      awaited.set(connectionId, since);
      return true;
    });
    this.#since = awaited;
    this.#schedule();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#since.clear();
  }

  /** The next reading that decides: for the connection that is missing longest, and at the end of a known loss. */
  #schedule(): void {
    clearTimeout(this.#timer);
    const now = performance.now();
    let dueAt = this.#lostUntil > now ? this.#lostUntil : Number.POSITIVE_INFINITY;
    for (const since of this.#since.values()) dueAt = Math.min(dueAt, since + this.#options.restoreWithinMs);
    if (dueAt === Number.POSITIVE_INFINITY) return;
    // Timers may fire a part of a millisecond early.
    this.#timer = setTimeout(this.#options.reread, Math.max(0, dueAt - now) + 1);
    this.#timer.unref();
  }
}
