import { getHeapStatistics } from "node:v8";

/**
 * Heap memory of a membership and of a room, in bytes, including the data that waits to be written to the
 * store: a process with 512 MiB ran out of memory at about 200,000 memberships.
 */
const MEMBERSHIP_BYTES = 4_096;
const ROOM_BYTES = 8_192;

/** Number of memberships that fit into this process's heap. */
export function membershipsThatFit(): number {
  return Math.floor(getHeapStatistics().heap_size_limit / MEMBERSHIP_BYTES);
}

/** Number of rooms that fit into this process's heap. */
export function roomsThatFit(): number {
  return Math.floor(getHeapStatistics().heap_size_limit / ROOM_BYTES);
}
