/**
 * How much a store holds in all. Promises: each call costs O(partitions), whatever the store
 * holds. What dead servers left counts until it is cleaned up.
 */
export interface StoreCounts {
  /** Users who are online, leaving ones until their grace period ends. */
  users(): Promise<number>;
  /** Connections of all users. */
  connections(): Promise<number>;
  /** Rooms with members. */
  rooms(): Promise<number>;
  /** Rooms with a record. */
  roomRecords(): Promise<number>;
}
