import { type CmError, type ErrorCode, isCmError } from "@cm/protocol";

/** Maximum number of errors reported within {@link REMIND_MS}, because many keys may contain foreign data. */
const REPORTED_MAX = 100;

/** An error that persists is reported again after this time. */
const REMIND_MS = 3_600_000;

/** Permanent errors that concern the whole store, not one call. */
const OF_THE_STORE: ReadonlySet<ErrorCode> = new Set(["closed", "layout-mismatch"]);

/**
 * Whether the store refuses this one call permanently, but may accept others, for example because one of its
 * keys contains foreign data. `false` if the store is unavailable or the lease is lost. Also `false` for
 * errors that are not `CmError`s, which say nothing about later calls.
 */
export function isPermanentError(cause: unknown): cause is CmError {
  return isCmError(cause) && !cause.retryable && !OF_THE_STORE.has(cause.code);
}

/**
 * Waits for all calls, even if one fails, so that no call is still running when the caller continues. If several
 * fail, throws an error that is not permanent if there is one, so that the caller tries again.
 */
export async function awaitAll<T>(calls: readonly Promise<T>[]): Promise<T[]> {
  const { values, failures } = outcomesOf(await Promise.allSettled(calls));
  if (failures.length > 0) throw failures.find((cause) => !isPermanentError(cause)) ?? failures[0];
  return values;
}

/** Reports each permanent error at most once an hour and lets the other calls go on. */
export class PermanentErrors {
  readonly #onRefused: (error: CmError) => void;
  /** Reported errors with the monotonic time of the report, in milliseconds; the oldest first. */
  readonly #reported = new Map<string, number>();

  constructor(onRefused: (error: CmError) => void) {
    this.#onRefused = onRefused;
  }

  /**
   * Waits for all calls. Reports permanent errors, and throws the first error of another kind if there is one;
   * otherwise resolves with the values of the calls that succeeded.
   */
  async awaitAll<T>(calls: readonly Promise<T>[]): Promise<T[]> {
    const { values, failures } = outcomesOf(await Promise.allSettled(calls));
    for (const cause of failures) if (isPermanentError(cause)) this.report(cause);
    const other = failures.find((cause) => !isPermanentError(cause));
    if (other !== undefined) throw other;
    return values;
  }

  /**
   * Reports an error, unless the same one was reported within {@link REMIND_MS} or {@link REPORTED_MAX} others were.
   */
  report(error: CmError): void {
    const now = performance.now();
    for (const [kind, reportedAt] of this.#reported) {
      if (now - reportedAt < REMIND_MS) break;
      this.#reported.delete(kind);
    }
    const kind = `${error.code} ${error.message}`;
    if (this.#reported.has(kind) || this.#reported.size >= REPORTED_MAX) return;
    this.#reported.set(kind, now);
    this.#onRefused(error);
  }
}

function outcomesOf<T>(results: readonly PromiseSettledResult<T>[]): {
  readonly values: T[];
  readonly failures: unknown[];
} {
  const values: T[] = [];
  const failures: unknown[] = [];
  for (const result of results) {
    if (result.status === "fulfilled") values.push(result.value);
    else failures.push(result.reason);
  }
  return { values, failures };
}
