import type { ProjectionUpkeep } from "@cm/protocol";

/** Resolution of the timers: one call ends the grace periods of a step, at the step's end. */
const STEP_MS = 100;

/**
 * Minimum time between two sweeps over all partitions, and time until partitions in which a grace period was still
 * running are tried again.
 */
const MIN_SWEEP_MS = 5_000;

/** Options of {@link GracePeriods}. */
export interface GracePeriodsOptions {
  readonly projection: Pick<ProjectionUpkeep, "endGracePeriods">;
  /** Number of partitions that the users are spread over. */
  readonly partitions: number;
  readonly heartbeatIntervalMs: number;
  readonly onError: (cause: unknown) => void;
}

/**
 * Takes users offline when their grace periods end, for all users of a partition at once. The server that removed a
 * user's last connection schedules the end of the grace period with {@link after}. In addition, every server sweeps
 * all partitions regularly, so that the grace period of a user ends even if that server has died.
 */
export class GracePeriods {
  readonly #options: GracePeriodsOptions;
  readonly #sweepMs: number;
  /**
   * Partitions in which grace periods end, by step. The grace period bounds the number of steps, and the store bounds
   * the number of partitions.
   */
  readonly #due = new Map<number, Set<number>>();
  readonly #underWay = new Set<Promise<void>>();
  /** Partitions to try once more: a grace period was still running in them at the last call. */
  #remaining = new Set<number>();
  #timer: NodeJS.Timeout | undefined;
  #remainingTimer: NodeJS.Timeout | undefined;
  #lastSweepMs = Number.NEGATIVE_INFINITY;
  #stopped = false;

  constructor(options: GracePeriodsOptions) {
    this.#options = options;
    this.#sweepMs = Math.max(options.heartbeatIntervalMs, MIN_SWEEP_MS);
  }

  /** Schedules a call for a partition in which a grace period has begun. */
  after(partition: number, graceMs: number): void {
    if (this.#stopped) return;
    const step = Math.ceil((performance.now() + graceMs) / STEP_MS);
    const partitions = this.#due.get(step);
    if (partitions !== undefined) {
      partitions.add(partition);
      return;
    }
    this.#due.set(step, new Set([partition]));
    this.#schedule();
  }

  /**
   * Ends the grace periods of all partitions, unless the last sweep was less than the longer of {@link MIN_SWEEP_MS}
   * and a heartbeat interval ago.
   */
  async sweep(): Promise<void> {
    const now = performance.now();
    if (now - this.#lastSweepMs < this.#sweepMs) return;
    this.#lastSweepMs = now;
    await this.#options.projection.endGracePeriods(
      Array.from({ length: this.#options.partitions }, (_, partition) => partition),
    );
  }

  /** Clears the timers and waits for calls in progress. Other servers end the remaining grace periods. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#remainingTimer);
    this.#due.clear();
    await Promise.all(this.#underWay);
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#due.size === 0) return;
    const first = Math.min(...this.#due.keys());
    this.#timer = setTimeout(() => this.#fire(), Math.max(0, first * STEP_MS - performance.now()) + 1);
    this.#timer.unref();
  }

  #fire(): void {
    const now = performance.now();
    const partitions = new Set<number>();
    for (const [step, due] of this.#due) {
      if (step * STEP_MS > now) continue;
      this.#due.delete(step);
      for (const partition of due) partitions.add(partition);
    }
    if (partitions.size > 0) this.#track(this.#end([...partitions]));
    this.#schedule();
  }

  async #end(partitions: readonly number[]): Promise<void> {
    try {
      const nextMs = await this.#options.projection.endGracePeriods(partitions);
      if (nextMs === undefined) return;
      // Try these partitions again shortly: the store's clock lags slightly, or more users were due
      // than one call takes offline.
      if (nextMs <= STEP_MS) for (const partition of partitions) this.after(partition, nextMs);
      // The server on which a remaining grace period began has a timer for its end, but may have stopped: try
      // these partitions again from here as well.
      else this.#lookAgain(partitions);
    } catch (cause) {
      this.#options.onError(cause);
    }
  }

  /** Schedules one more call for these partitions. Calls made before it runs share its timer. */
  #lookAgain(partitions: readonly number[]): void {
    if (this.#stopped) return;
    for (const partition of partitions) this.#remaining.add(partition);
    this.#remainingTimer ??= setTimeout(() => {
      const remaining = [...this.#remaining];
      this.#remaining = new Set();
      this.#remainingTimer = undefined;
      this.#track(this.#end(remaining));
    }, MIN_SWEEP_MS).unref();
  }

  #track(work: Promise<void>): void {
    this.#underWay.add(work);
    void work.finally(() => this.#underWay.delete(work));
  }
}
