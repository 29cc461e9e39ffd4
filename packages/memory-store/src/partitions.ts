import { CmError } from "@cm/protocol";

/**
 * Number of partitions of users and rooms. A store in memory needs no partitions. It has more than one, so that
 * tests cover code that iterates over partitions, and only a few, so that the iteration costs almost nothing.
 */
export const PARTITIONS = 16;

/** The partition of a user or room, by a hash (FNV-1a) of its name. */
export function partitionOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  // The lowest bits of an FNV-1a hash are poorly distributed, so combine them with higher bits.
  return ((hash >>> 16) ^ hash) & (PARTITIONS - 1);
}

/** Returns the element of `all` for a partition. Throws `options-invalid` if the partition does not exist. */
export function requirePartition<T>(all: readonly T[], partition: number): T {
  const found = all[partition];
  if (found === undefined) {
    throw new CmError("options-invalid", `partition must be a whole number from 0 to ${PARTITIONS - 1}.`, {
      details: { field: "partition" },
    });
  }
  return found;
}
