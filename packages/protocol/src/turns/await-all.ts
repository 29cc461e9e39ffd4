/**
 * Waits for all calls, even if one fails, so that none is still running when the caller continues. Resolves with
 * their values in the order of the list. If several fail, rejects with the first error that `prefer` accepts, otherwise
 * with the first error in the order of the list.
 */
export async function awaitAll<T>(calls: readonly Promise<T>[], prefer?: (error: unknown) => boolean): Promise<T[]> {
  const values: T[] = [];
  const failures: unknown[] = [];
  for (const result of await Promise.allSettled(calls)) {
    if (result.status === "fulfilled") values.push(result.value);
    else failures.push(result.reason);
  }
  if (failures.length === 0) return values;
  const preferred = prefer === undefined ? -1 : failures.findIndex(prefer);
  throw failures[Math.max(preferred, 0)];
}
