/**
 * Rooms and users are cut into the same number of partitions, each with a feed of presence
 * changes. Promises: both members are known before the store starts and never change; every
 * store on the same data answers the same.
 */
export interface Partitioned {
  /** How many partitions there are. */
  readonly partitions: number;
  /** The partition of a room or user, from 0. */
  partitionOf(name: string): number;
}
