import type { ProjectionUpkeep } from "@cm/protocol";

/** Resolution of the timers: grace periods that end within the same step are settled together, at its end. */
const STEP_MS = 100;

/**
 * Minimum time between two sweeps over all partitions, and time until partitions where users are still in a grace
 * period are settled again.
 */
const MIN_SWEEP_MS = 5_000;

/** Options of {@link GracePeriods}. */
export interface GracePeriodsOptions {
  readonly projection: Pick<ProjectionUpkeep, "settle">;
  /** Number of partitions that the users are spread over. */
  readonly partitions: number;
  readonly heartbeatIntervalMs: number;
  readonly onError: (cause: unknown) => void;
}

/**
 * Takes users offline when their grace periods end; doing so for the users of a partition is called settling it.
 * The server that removed a user's last connection schedules the end of the grace period with {@link after}. In
 * addition, every server sweeps all partitions regularly, so that the grace period of a user ends even if that
 * server has died.
 */
export class GracePeriods {
  readonly #options: GracePeriodsOptions;
  readonly #sweepMs: number;
  /**
   * Partitions to settle, by step. The grace period bounds the number of steps, and the store bounds the
   * number of partitions.
   */
  readonly #due = new Map<number, Set<number>>();
  readonly #underWay = new Set<Promise<void>>();
  /** Partitions to settle once more: some of their users were still in a grace period at the last settling. */
  #unsettled = new Set<number>();
  #timer: NodeJS.Timeout | undefined;
  #unsettledTimer: NodeJS.Timeout | undefined;
  #lastSweepMs = Number.NEGATIVE_INFINITY;
  #stopped = false;

  constructor(options: GracePeriodsOptions) {
    this.#options = options;
    this.#sweepMs = Math.max(options.heartbeatIntervalMs, MIN_SWEEP_MS);
  }

  /** Schedules the settling of a partition in which a grace period has begun. */
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
   * Settles all partitions, unless the last sweep was less than the longer of {@link MIN_SWEEP_MS} and a heartbeat
   * interval ago.
   */
  async sweep(): Promise<void> {
    const now = performance.now();
    if (now - this.#lastSweepMs < this.#sweepMs) return;
    this.#lastSweepMs = now;
    await this.#options.projection.settle(
      Array.from({ length: this.#options.partitions }, (_, partition) => partition),
    );
  }

  /** Clears the timers and waits for calls in progress. Other servers settle the remaining grace periods. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#unsettledTimer);
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
    if (partitions.size > 0) this.#track(this.#settle([...partitions]));
    this.#schedule();
  }

  async #settle(partitions: readonly number[]): Promise<void> {
    try {
      const nextMs = await this.#options.projection.settle(partitions);
      if (nextMs === undefined) return;
      // Settle these partitions again shortly: the store's clock lags slightly, or more users were due
      // than one call settles.
      if (nextMs <= STEP_MS) for (const partition of partitions) this.after(partition, nextMs);
      // The server on which a remaining grace period began has a timer for its end, but may have stopped: settle
      // these partitions again from here as well.
      else this.#lookAgain(partitions);
    } catch (cause) {
      this.#options.onError(cause);
    }
  }

  /** Schedules one more settling of these partitions. Calls made before it runs share its timer. */
  #lookAgain(partitions: readonly number[]): void {
    if (this.#stopped) return;
    for (const partition of partitions) this.#unsettled.add(partition);
    this.#unsettledTimer ??= setTimeout(() => {
      const unsettled = [...this.#unsettled];
      this.#unsettled = new Set();
      this.#unsettledTimer = undefined;
      this.#track(this.#settle(unsettled));
    }, MIN_SWEEP_MS).unref();
  }

  #track(work: Promise<void>): void {
    this.#underWay.add(work);
    void work.finally(() => this.#underWay.delete(work));
  }
}
