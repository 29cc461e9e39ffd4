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

/** For `awaitAll`: whether a caller that gets this error tries again. */
export function isPassingError(cause: unknown): boolean {
  return !isPermanentError(cause);
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
   * otherwise resolves with the values of the calls that succeeded, which may be fewer than the calls.
   */
  async awaitAccepted<T>(calls: readonly Promise<T>[]): Promise<T[]> {
    const values: T[] = [];
    const others: unknown[] = [];
    for (const result of await Promise.allSettled(calls)) {
      if (result.status === "fulfilled") values.push(result.value);
      else if (isPermanentError(result.reason)) this.report(result.reason);
      else others.push(result.reason);
    }
    if (others.length > 0) throw others[0];
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
