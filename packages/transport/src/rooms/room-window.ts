import { BUSY_AT_PER_SECOND, MessageRate } from "@cm/protocol/turns";

/** Maximum window of `auto`, in milliseconds: less than the 16 ms for which a 60 Hz screen shows one image. */
export const AUTO_WINDOW_MAX_MS = 10;

/** Maximum window that can be configured, in milliseconds. */
export const ROOM_WINDOW_MAX_MS = 100;

/**
 * How long a room's messages may wait for further ones, in milliseconds; `auto`: depends on the room's message
 * rate.
 */
export type RoomWindow = number | "auto";

/** The window of the rooms whose names begin with a prefix. */
export interface RoomWindowRule {
  /** The beginning of the rooms' names; empty for all rooms. */
  readonly prefix: string;
  /** How long their messages may wait for further ones, in milliseconds, 0 to 100, or `auto`. */
  readonly windowMs: RoomWindow;
}

/** From this rate on, the window has its full length, which covers at least 1.5 messages. */
const FULL_AT_PER_SECOND = 150;

/** Minimum window, in milliseconds: a shorter one saves nothing, and timers have a resolution of one millisecond. */
const AUTO_WINDOW_MIN_MS = 1;

/** The rate at which each member of a room would be written to if no message were held back. */
export class RoomRate {
  readonly #rate = new MessageRate();

  /** Counts a message. Returns how long the room's messages may wait for further ones at the current rate. */
  count(now: number): number {
    const share = (this.#rate.count(now) - BUSY_AT_PER_SECOND) / (FULL_AT_PER_SECOND - BUSY_AT_PER_SECOND);
    const windowMs = AUTO_WINDOW_MAX_MS * Math.min(1, share);
    return windowMs < AUTO_WINDOW_MIN_MS ? 0 : windowMs;
  }
}
