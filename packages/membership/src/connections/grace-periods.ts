import type { ProjectionUpkeep } from "@cm/protocol";

/** Grace periods that end within one step are settled together, at the end of it. */
const STEP_MS = 100;

/** The least time between two looks at all partitions, and between two looks at those where users were still leaving. */
const MIN_SWEEP_MS = 5_000;

/** What a {@link GracePeriods} needs. */
export interface GracePeriodsOptions {
  readonly projection: Pick<ProjectionUpkeep, "settle">;
  /** How many partitions the users are cut into. */
  readonly partitions: number;
  readonly heartbeatIntervalMs: number;
  readonly onError: (cause: unknown) => void;
}

/**
 * Takes users offline as their grace periods end. The server that removed a user's last
 * connection asks for it in time; and each server looks at all partitions now and then, so
 * that one that dies meanwhile leaves no user half gone.
 */
export class GracePeriods {
  readonly #options: GracePeriodsOptions;
  readonly #sweepMs: number;
  /** Partitions to settle, by step. A grace period bounds the steps, the store the partitions. */
  readonly #due = new Map<number, Set<number>>();
  readonly #underWay = new Set<Promise<void>>();
  /** Partitions where users were still leaving after a grace period had ended. */
  readonly #unsettled = new Set<number>();
  #timer: NodeJS.Timeout | undefined;
  #unsettledTimer: NodeJS.Timeout | undefined;
  #lastSweepMs = Number.NEGATIVE_INFINITY;
  #stopped = false;

  constructor(options: GracePeriodsOptions) {
    this.#options = options;
    this.#sweepMs = Math.max(options.heartbeatIntervalMs, MIN_SWEEP_MS);
  }

  /** A grace period has begun in a partition. */
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

  /** Looks at all partitions where that was not done for some time. */
  async sweep(): Promise<void> {
    const now = performance.now();
    if (now - this.#lastSweepMs < this.#sweepMs) return;
    this.#lastSweepMs = now;
    await this.#options.projection.settle(
      Array.from({ length: this.#options.partitions }, (_, partition) => partition),
    );
  }

  /** Ends the timer, and waits for what is under way. Others settle what is left. */
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
      // The store's clock was a little behind, or more were due than it does at once.
      if (nextMs <= STEP_MS) for (const partition of partitions) this.after(partition, nextMs);
      // What ends later has its own step, here or with the server that began it; that one may have stopped.
      else this.#lookAgain(partitions);
    } catch (cause) {
      this.#options.onError(cause);
    }
  }

  /** One look at a time, however many grace periods end meanwhile. */
  #lookAgain(partitions: readonly number[]): void {
    if (this.#stopped) return;
    for (const partition of partitions) this.#unsettled.add(partition);
    this.#unsettledTimer ??= setTimeout(() => {
      const unsettled = [...this.#unsettled];
      this.#unsettled.clear();
      this.#unsettledTimer = undefined;
      this.#track(this.#settle(unsettled));
    }, MIN_SWEEP_MS).unref();
  }

  #track(work: Promise<void>): void {
    this.#underWay.add(work);
    void work.finally(() => this.#underWay.delete(work));
  }
}
