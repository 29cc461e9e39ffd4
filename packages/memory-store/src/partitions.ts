import { CmError } from "@cm/protocol";

/**
 * Number of partitions of users and rooms. A store in memory does not need partitions. There are several, so
 * that code that iterates over partitions does so here too, and few, so that this costs almost nothing.
 */
export const PARTITIONS = 16;

/** The partition of a user or room, by a hash (FNV-1a) of its name. */
export function partitionOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  // The lowest bits of this hash depend on only little of the name.
  return ((hash >>> 16) ^ hash) & (PARTITIONS - 1);
}

/** The element of a list for a partition. Throws `options-invalid` if the partition does not exist. */
export function requirePartition<T>(all: readonly T[], partition: number): T {
  const found = all[partition];
  if (found === undefined) {
    throw new CmError("options-invalid", `partition must be a whole number from 0 to ${PARTITIONS - 1}.`, {
      details: { field: "partition" },
    });
  }
  return found;
}
