import type { UserUpkeep } from "@cm/protocol";

/** Grace periods that end within one step are settled together, at the end of it. */
const STEP_MS = 100;

/** The least time between two looks at all slices. */
const MIN_SWEEP_MS = 5_000;

/** What a {@link Settling} needs. */
export interface SettlingOptions {
  readonly users: Pick<UserUpkeep, "settle">;
  /** How many slices the users are cut into. */
  readonly slices: number;
  readonly heartbeatIntervalMs: number;
  readonly onError: (cause: unknown) => void;
}

/**
 * Takes users offline as their grace periods end. The server that removed a user's last
 * connection asks for it in time; and each server looks at all slices now and then, so
 * that one that dies meanwhile leaves nobody half gone.
 */
export class Settling {
  readonly #options: SettlingOptions;
  readonly #sweepMs: number;
  /** Slices to settle, by step. A grace period bounds the steps, the store the slices. */
  readonly #due = new Map<number, Set<number>>();
  readonly #underWay = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #lastSweepMs = Number.NEGATIVE_INFINITY;
  #stopped = false;

  constructor(options: SettlingOptions) {
    this.#options = options;
    this.#sweepMs = Math.max(options.heartbeatIntervalMs, MIN_SWEEP_MS);
  }

  /** A grace period has begun in a slice. */
  after(slice: number, graceMs: number): void {
    if (this.#stopped) return;
    const step = Math.ceil((performance.now() + graceMs) / STEP_MS);
    const slices = this.#due.get(step);
    if (slices !== undefined) {
      slices.add(slice);
      return;
    }
    this.#due.set(step, new Set([slice]));
    this.#schedule();
  }

  /** Looks at all slices where that was not done for some time. */
  async sweep(): Promise<void> {
    const now = performance.now();
    if (now - this.#lastSweepMs < this.#sweepMs) return;
    this.#lastSweepMs = now;
    await this.#options.users.settle(Array.from({ length: this.#options.slices }, (_, slice) => slice));
  }

  /** Ends the timer, and waits for what is under way. Others settle what is left. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
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
    const slices = new Set<number>();
    for (const [step, due] of this.#due) {
      if (step * STEP_MS > now) continue;
      this.#due.delete(step);
      for (const slice of due) slices.add(slice);
    }
    if (slices.size > 0) this.#track(this.#settle([...slices]));
    this.#schedule();
  }

  async #settle(slices: readonly number[]): Promise<void> {
    try {
      const nextMs = await this.#options.users.settle(slices);
      // The store's clock was a little behind, or more were due than it does at once. What
      // ends later has its own step, here or with the server that began it.
      if (nextMs !== undefined && nextMs <= STEP_MS) for (const slice of slices) this.after(slice, nextMs);
    } catch (cause) {
      this.#options.onError(cause);
    }
  }

  #track(work: Promise<void>): void {
    this.#underWay.add(work);
    void work.finally(() => this.#underWay.delete(work));
  }
}
