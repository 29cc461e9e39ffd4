/**
 * Messages that follow the first one of a window within this time, in milliseconds, would mostly have shared its write
 * anyway: they belong to the same turn of the event loop.
 */
const SAME_TURN_MS = 0.5;

/** Weight of the latest window in the average number of messages that follow the first one. */
const LATEST_WEIGHT = 0.2;

/** Minimum average number of messages that follow the first one, for further windows to be opened. */
const FOLLOWERS_MIN = 0.5;

/** Time after which a window is tried again, in milliseconds, if the latest ones were not worth the wait. */
const RETRY_MS = 1_000;

/**
 * Decides whether a message may wait for others, so that they share a write. Waiting is only worth it if others come
 * meanwhile. They do not, for example, if a single publisher awaits the outcome of each of its messages: it would be
 * slowed down for nothing. Therefore the windows are judged by the number of messages that followed the first one; if
 * there were too few, only one window a second is tried.
 */
export class PublishWindow {
  #followers = FOLLOWERS_MIN;
  #retryAt = 0;
  #openedAt = 0;
  #followed = 0;

  /** Opens a window at `now`, a time in milliseconds. Returns `false` if the latest windows were not worth the wait. */
  open(now: number): boolean {
    if (this.#followers < FOLLOWERS_MIN && now < this.#retryAt) return false;
    this.#openedAt = now;
    this.#followed = 0;
    return true;
  }

  /** Counts a message that came while the window was open. */
  count(now: number): void {
    if (now - this.#openedAt >= SAME_TURN_MS) this.#followed++;
  }

  /** Ends the window. */
  close(now: number): void {
    this.#followers += LATEST_WEIGHT * (this.#followed - this.#followers);
    if (this.#followers < FOLLOWERS_MIN) this.#retryAt = now + RETRY_MS;
  }
}
