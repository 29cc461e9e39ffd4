import { CmError } from "@cm/protocol";

/**
 * Number of partitions of users and rooms. A store in memory needs no partitions. It has more than one, so that
 * tests cover code that iterates over partitions, and only a few, so that the iteration costs almost nothing.
 */
export const PARTITIONS = 16;

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
