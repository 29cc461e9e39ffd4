/** Number of partitions of rooms, and also of users. */
export const PARTITIONS = 8;

/** Returns the partition of a room or user, which is the same in the hub and in all stores. */
export function partitionOf(name: string): number {
  let sum = 7;
  for (const character of name) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 1_000_003;
  return sum % PARTITIONS;
}
