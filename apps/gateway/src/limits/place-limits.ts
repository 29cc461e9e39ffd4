import { getHeapStatistics } from "node:v8";
import { CmError } from "@cm/protocol";
import type { LimitCounter } from "./limit-counter.js";

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

/** What {@link PlaceLimits} needs. */
export interface PlaceLimitsOptions {
  /** Members of rooms on this server, one for each room of a connection; 0: no limit. */
  readonly maxMemberships: number;
  /** Rooms with members on this server; 0: no limit. */
  readonly maxServerRooms: number;
  readonly limits: LimitCounter;
}

/** Refuses joins before the process runs out of memory. A place counts from the moment that a connection asks for it. */
export class PlaceLimits {
  readonly #options: PlaceLimitsOptions;
  readonly #rooms = new Map<string, number>();
  #memberships = 0;

  constructor(options: PlaceLimitsOptions) {
    this.#options = options;
  }

  /** Throws `capacity-reached` where one more place in the room is too many. */
  require(room: string): void {
    const { maxMemberships, maxServerRooms, limits } = this.#options;
    if (maxMemberships > 0 && this.#memberships >= maxMemberships) {
      limits.count("memberships");
      throw new CmError("capacity-reached", "The server has as many members of rooms as it may.");
    }
    if (maxServerRooms > 0 && this.#rooms.size >= maxServerRooms && !this.#rooms.has(room)) {
      limits.count("server-rooms");
      throw new CmError("capacity-reached", "The server has as many rooms as it may.");
    }
  }

  take(room: string): void {
    this.#memberships++;
    this.#rooms.set(room, (this.#rooms.get(room) ?? 0) + 1);
  }

  /** Once for each {@link take}. */
  give(room: string): void {
    this.#memberships--;
    const left = (this.#rooms.get(room) ?? 1) - 1;
    if (left === 0) this.#rooms.delete(room);
    else this.#rooms.set(room, left);
  }

  /** How near the limits are. */
  stats(): Readonly<Record<"memberships" | "maxMemberships" | "rooms" | "maxRooms", number>> {
    const { maxMemberships, maxServerRooms } = this.#options;
    return { memberships: this.#memberships, maxMemberships, rooms: this.#rooms.size, maxRooms: maxServerRooms };
  }
}
