import { type CmError, type ErrorCode, isCmError } from "@cm/protocol";

/** Refusals that are told within {@link REMIND_MS} at most; keys with foreign data may be many. */
const TOLD_MAX = 100;

/** An error that is still there after this time is told again. */
const REMIND_MS = 3_600_000;

/** What does not pass by itself, and yet concerns the whole store and not the one call. */
const OF_THE_STORE: ReadonlySet<ErrorCode> = new Set(["closed", "layout-mismatch"]);

/**
 * Whether the store refuses this one call for good, and may take others: such as where
 * something else lies under one of its keys. Not where it is away, or the lease is gone; nor
 * where it throws what is no error of this project, which says nothing of later calls.
 */
export function isPermanentError(cause: unknown): cause is CmError {
  return isCmError(cause) && !cause.retryable && !OF_THE_STORE.has(cause.code);
}

/**
 * Waits for all, also when one fails: nothing is left running behind the caller's back. Of
 * several failures one is thrown that is no refusal, where there is one, since trying again
 * helps against it.
 */
export async function together<T>(calls: readonly Promise<T>[]): Promise<T[]> {
  const { values, failures } = await settled(calls);
  if (failures.length > 0) throw failures.find((cause) => !isPermanentError(cause)) ?? failures[0];
  return values;
}

/** Tells of what the store refuses, once an hour however often it is tried, while the rest goes on. */
export class PermanentErrors {
  readonly #onRefused: (error: CmError) => void;
  /** What was told, and when, in milliseconds of the monotonic clock; the oldest first. */
  readonly #told = new Map<string, number>();

  constructor(onRefused: (error: CmError) => void) {
    this.#onRefused = onRefused;
  }

  /** As {@link together}, but refusals are told and not thrown; resolves with what succeeded. */
  async together<T>(calls: readonly Promise<T>[]): Promise<T[]> {
    const { values, failures } = await settled(calls);
    for (const cause of failures) if (isPermanentError(cause)) this.tell(cause);
    const other = failures.find((cause) => !isPermanentError(cause));
    if (other !== undefined) throw other;
    return values;
  }

  /** Tells it unless it was told lately. */
  tell(refusal: CmError): void {
    const now = performance.now();
    for (const [kind, toldAt] of this.#told) {
      if (now - toldAt < REMIND_MS) break;
      this.#told.delete(kind);
    }
    const kind = `${refusal.code} ${refusal.message}`;
    if (this.#told.has(kind) || this.#told.size >= TOLD_MAX) return;
    this.#told.set(kind, now);
    this.#onRefused(refusal);
  }
}

async function settled<T>(
  calls: readonly Promise<T>[],
): Promise<{ readonly values: T[]; readonly failures: unknown[] }> {
  const values: T[] = [];
  const failures: unknown[] = [];
  for (const result of await Promise.allSettled(calls)) {
    if (result.status === "fulfilled") values.push(result.value);
    else failures.push(result.reason);
  }
  return { values, failures };
}
