/** Options of {@link MissingConnections}. */
export interface MissingConnectionsOptions {
  /** How long an entry that is missing in reads still counts as present, in milliseconds. */
  readonly restoreWithinMs: number;
  /** Triggers another read of the state. Called when `restoreWithinMs` has passed for a missing entry. */
  readonly reread: () => void;
}

/**
 * The connections that are missing in reads of one feed even though no removal was announced. The store may
 * have lost them, or the lease of their server may have expired; the owner then writes them again with its
 * next heartbeat, without an announcement. So each missing connection counts as present for `restoreWithinMs`
 * after the start of the first read that lacked it. A read that starts after that time decides whether the
 * connection is gone.
 *
 * This is the only place with this rule. It applies to users, to rooms, and to what is derived from them
 * (leave notices of rooms, rosters of games).
 */
export class MissingConnections {
  readonly #options: MissingConnectionsOptions;
  /**
   * By connection id, the start of the first read that lacked the connection, on the monotonic clock. Bounded
   * by the number of entries kept.
   */
  #since = new Map<string, number>();
  /** Time until which reads may be incomplete because the store is known to have lost data. */
  #lostUntil = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: MissingConnectionsOptions) {
    this.#options = options;
  }

  /** Records that the store is known to have lost data just now. */
  noteLoss(): void {
    this.#lostUntil = performance.now() + this.#options.restoreWithinMs;
    this.#schedule();
  }

  /** Whether a read that started at `beganAt` may be incomplete because of a known loss. */
  isLost(beganAt: number): boolean {
    return beganAt < this.#lostUntil;
  }

  /**
   * Evaluates a complete read that started at `beganAt`. For each connection that the read lacks,
   * `install` asks whether it still counts as present. Connections that `install` does not ask about
   * are no longer waited for.
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

  /**
   * Schedules the next read: for the time when the longest missing connection no longer counts as present, or when
   * a known loss ends, whichever is first.
   */
  #schedule(): void {
    clearTimeout(this.#timer);
    const now = performance.now();
    let dueAt = this.#lostUntil > now ? this.#lostUntil : Number.POSITIVE_INFINITY;
    for (const since of this.#since.values()) dueAt = Math.min(dueAt, since + this.#options.restoreWithinMs);
    if (dueAt === Number.POSITIVE_INFINITY) return;
    // Add 1 ms, because timers may fire up to a millisecond early.
    this.#timer = setTimeout(this.#options.reread, Math.max(0, dueAt - now) + 1);
    this.#timer.unref();
  }
}
