/**
 * Rooms and users are divided into the same number of partitions, and each partition has a feed of presence
 * changes. Guarantees: both members are available before the store starts and never change; every store on
 * the same data returns the same values.
 */
export interface Partitioning {
  /** The number of partitions. */
  readonly partitions: number;
  /** The partition of a room or user, from 0. */
  partitionOf(name: string): number;
}
