/**
 * What a store counts.
 *
 * - `users`: users who are online, leaving ones until their grace period ends
 * - `connections`: connections of all users
 * - `rooms`: rooms with members
 * - `roomRecords`: rooms with a record
 */
export type Counted = "users" | "connections" | "rooms" | "roomRecords";

/** How much a store holds in all. */
export interface StoreCounts {
  /**
   * Costs one round trip and O(partitions), whatever the store holds. What dead servers left counts
   * until it is cleaned up.
   */
  of(what: Counted): Promise<number>;
}
