import { setTimeout as sleep } from "node:timers/promises";

/** How long and how often {@link eventually} tries. */
export interface EventuallyOptions {
  /** When to give up, in milliseconds. Default 10,000. */
  readonly timeoutMs?: number;
  /** The pause between two tries, in milliseconds. Default 25. */
  readonly intervalMs?: number;
}

/**
 * Runs a check until it passes and returns what it returned. Past the timeout the
 * check's own last error is thrown, so that a failed test shows what was not so.
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
