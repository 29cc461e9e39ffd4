/** Called as a credential expires. */
export interface CredentialExpiryEvents {
  /** The credential expires in `inMs` milliseconds. */
  expiring(inMs: number): void;
  /** The credential has expired, and the grace period after its expiry is over. */
  expired(): void;
}

/** Times relative to the expiry of a credential, in milliseconds. */
export interface CredentialTimes {
  /** Time before the expiry at which the client is notified. */
  readonly warningMs: number;
  /** Time after the expiry for which the client may still send another credential. */
  readonly graceMs: number;
}

/** Maximum delay of a timer; a timer with a longer delay would fire at once. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/**
 * Returns the whole milliseconds until a credential expires, at least 0. The expiry may have a fraction, since
 * the `exp` of a token may have one.
 */
export function remainingMs(expiresAtMs: number, now: number): number {
  return Math.max(0, Math.floor(expiresAtMs - now));
}

/** Watches the expiry of one connection's credential. */
export class CredentialExpiry {
  readonly #events: CredentialExpiryEvents;
  readonly #times: CredentialTimes;
  readonly #now: () => number;
  #timer: NodeJS.Timeout | undefined;

  /** `now` returns milliseconds since the Unix epoch. */
  constructor(events: CredentialExpiryEvents, times: CredentialTimes, now: () => number) {
    this.#events = events;
    this.#times = times;
    this.#now = now;
  }

  /**
   * Watches another credential from now on, or none if `expiresAtMs` is `undefined`. `expiresAtMs` is in
   * milliseconds since the Unix epoch.
   */
  watch(expiresAtMs: number | undefined): void {
    clearTimeout(this.#timer);
    if (expiresAtMs === undefined) return;
    const warnAt = expiresAtMs - this.#times.warningMs;
    this.#at(warnAt, () => {
      this.#events.expiring(remainingMs(expiresAtMs, this.#now()));
      this.#at(expiresAtMs + this.#times.graceMs, () => this.#events.expired());
    });
  }

  #at(time: number, then: () => void): void {
    const delay = Math.max(0, time - this.#now());
    this.#timer = setTimeout(
      () => (delay > TIMER_MAX_MS ? this.#at(time, then) : then()),
      Math.min(delay, TIMER_MAX_MS),
    );
    this.#timer.unref();
  }
}
