/** The longest window that `auto` opens, in milliseconds: less than a frame of a screen. */
export const AUTO_WINDOW_MAX_MS = 10;

/** The longest window that can be asked for, in milliseconds. */
export const ROOM_WINDOW_MAX_MS = 100;

/** How long messages of a room may wait for others, in milliseconds; `auto`: as the rate of its messages says. */
export type RoomWindow = number | "auto";

/** Over how long a room's rate is taken, in milliseconds: it opens within a tenth of a second and closes within half of one. */
const RATE_TIME_MS = 250;

/** Messages closer together than this leave in one write anyway, and count once. */
const SAME_WRITE_MS = 1;

/** Below this many writes a second to a member, `auto` delays nothing: a full window would not halve them. */
const OPENS_AT_PER_SECOND = 75;

/** From here on the window has its full length, which holds 1.5 messages and more. */
const FULL_AT_PER_SECOND = 150;

/** A shorter one saves nothing, and timers count in whole milliseconds. */
const AUTO_WINDOW_MIN_MS = 1;

/** How often each member of a room would be written to if nothing waited. */
export class RoomRate {
  /** Writes of late, each counting less as time goes by: the rate times {@link RATE_TIME_MS}. */
  #level = 0;
  #at = Number.NEGATIVE_INFINITY;

  /** Counts a message; returns how long the room's messages may wait for others at this rate. */
  count(now: number): number {
    const passed = now - this.#at;
    if (passed >= SAME_WRITE_MS) {
      this.#level = this.#level * Math.exp(-passed / RATE_TIME_MS) + 1;
      this.#at = now;
    }
    const perSecond = (1000 * this.#level) / RATE_TIME_MS;
    const share = (perSecond - OPENS_AT_PER_SECOND) / (FULL_AT_PER_SECOND - OPENS_AT_PER_SECOND);
    const windowMs = AUTO_WINDOW_MAX_MS * Math.min(1, share);
    return windowMs < AUTO_WINDOW_MIN_MS ? 0 : windowMs;
  }
}
