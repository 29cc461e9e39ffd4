/** Maximum number of results that are remembered; with one more, all are forgotten. */
const REMEMBERED_MAX = 1_024;

/**
 * Returns a function that remembers the results of `compute` for the latest addresses. Computing them creates native
 * objects, which takes longer than all else that the refusal of an upgrade costs.
 */
export function rememberingAddresses<T>(compute: (address: string) => T): (address: string) => T {
  const results = new Map<string, T>();
  return (address) => {
    const known = results.get(address);
    if (known !== undefined || results.has(address)) return known as T;
    if (results.size >= REMEMBERED_MAX) results.clear();
    const result = compute(address);
    results.set(address, result);
    return result;
  };
}
