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
  readonly prefix: string;
  readonly windowMs: RoomWindow;
}

/**
 * Time constant of a room's average rate, in milliseconds. Example: at 400 messages per second, messages are
 * held back after at most 100 ms; when the messages stop, the window is 0 again within 500 ms.
 */
const RATE_TIME_MS = 250;

/**
 * Messages that are less than this many milliseconds apart are sent in one write anyway, so they count once.
 */
const SAME_WRITE_MS = 1;

/**
 * Below this many writes per second and member, `auto` delays nothing, because even a full window would not halve
 * the number of writes.
 */
const OPENS_AT_PER_SECOND = 75;

/** From this rate on, the window has its full length, which covers at least 1.5 messages. */
const FULL_AT_PER_SECOND = 150;

/** Minimum window, in milliseconds: a shorter one saves nothing, and timers have a resolution of one millisecond. */
const AUTO_WINDOW_MIN_MS = 1;

/** The rate at which each member of a room would be written to if no message were held back. */
export class RoomRate {
  /** Exponentially decaying number of writes. Divided by {@link RATE_TIME_MS}, it is the rate per millisecond. */
  #level = 0;
  #at = Number.NEGATIVE_INFINITY;

  /** Counts a message. Returns how long the room's messages may wait for further ones at the current rate. */
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
