import { getHeapStatistics } from "node:v8";

/**
 * What a membership and a room take of the heap, in bytes, with what is kept of them on the way to the
 * store: a process with 512 MiB ran out at some 200,000 memberships.
 */
const MEMBERSHIP_BYTES = 4_096;
const ROOM_BYTES = 8_192;

/** How many memberships this process has memory for. */
export function membershipsThatFit(): number {
  return Math.floor(getHeapStatistics().heap_size_limit / MEMBERSHIP_BYTES);
}

/** How many rooms this process has memory for. */
export function roomsThatFit(): number {
  return Math.floor(getHeapStatistics().heap_size_limit / ROOM_BYTES);
}
