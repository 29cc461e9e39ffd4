import { setTimeout as sleep } from "node:timers/promises";

/** Timing of {@link eventually}. */
export interface EventuallyOptions {
  /** Time after which to give up, in milliseconds. Default 10,000. */
  readonly timeoutMs?: number;
  /** Pause between two tries, in milliseconds. Default 25. */
  readonly intervalMs?: number;
}

/**
 * Runs a check until it passes, and returns its result. After the timeout, throws the last error that the check
 * threw, so that a failed test shows what was wrong.
 */
export async function eventually<T>(check: () => T | Promise<T>, options: EventuallyOptions = {}): Promise<T> {
  const deadline = performance.now() + (options.timeoutMs ?? 10_000);
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() >= deadline) throw error;
    }
    await sleep(options.intervalMs ?? 25);
  }
}
