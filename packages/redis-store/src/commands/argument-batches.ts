/** Maximum number of entries per script call: about one millisecond of Redis's time. */
export const BATCH_MAX = 500;

/** Splits a list into parts of at most `size` entries. */
export function inChunks<T>(items: readonly T[], size: number = BATCH_MAX): T[][] {
  return inWeightedChunks(items, () => 1, size);
}

/** Splits a list into parts whose weights add up to at most `size`, and of one entry where its weight alone is more. */
export function inWeightedChunks<T>(items: readonly T[], weightOf: (item: T) => number, size = BATCH_MAX): T[][] {
  const chunks: T[][] = [];
  let weight = Number.POSITIVE_INFINITY;
  for (const item of items) {
    weight += weightOf(item);
    const chunk = chunks.at(-1);
    if (chunk !== undefined && weight <= size) {
      chunk.push(item);
    } else {
      chunks.push([item]);
      weight = weightOf(item);
    }
  }
  return chunks;
}

/** Groups the items of a list by key. Each group keeps the order of the list. */
export function groupBy<K, T>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
