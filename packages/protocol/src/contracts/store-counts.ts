/**
 * The quantities that a store counts.
 *
 * - `users`: users who are online; a leaving user counts until the grace period ends
 * - `connections`: connections of all users
 * - `rooms`: rooms with members
 * - `roomRecords`: rooms with a record
 */
export type Counted = "users" | "connections" | "rooms" | "roomRecords";

/** Totals over the whole store. */
export interface StoreCounts {
  /**
   * Counts one quantity. Costs one round trip and O(partitions), independent of how much the store
   * holds. Data of dead servers counts until it is cleaned up.
   */
  of(what: Counted): Promise<number>;
}
