/** How many partitions rooms and users are cut into. */
export const PARTITIONS = 8;

/** The partition of a room or user: the same for the hub and all stores. */
export function partitionOf(name: string): number {
  let sum = 7;
  for (const character of name) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 1_000_003;
  return sum % PARTITIONS;
}
