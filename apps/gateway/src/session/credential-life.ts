/** What happens as a credential comes to its end. */
export interface CredentialLifeEvents {
  /** It expires in this many milliseconds. */
  expiring(inMs: number): void;
  /** It expired, and the grace after that is over. */
  expired(): void;
}

/** The times around the end of a credential, in milliseconds. */
export interface CredentialTimes {
  /** How long before the end the client is told. */
  readonly warningMs: number;
  /** How long after the end the client may still hand in another credential. */
  readonly graceMs: number;
}

/** The longest delay of a timer; one that is longer fires at once. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** Watches over the end of one connection's credential. */
export class CredentialLife {
  readonly #events: CredentialLifeEvents;
  readonly #times: CredentialTimes;
  readonly #now: () => number;
  #timer: NodeJS.Timeout | undefined;

  /** `now` gives milliseconds since the Unix epoch. */
  constructor(events: CredentialLifeEvents, times: CredentialTimes, now: () => number) {
    this.#events = events;
    this.#times = times;
    this.#now = now;
  }

  /** Watches another credential from now on, or none. `expiresAtMs` counts from the Unix epoch. */
  watch(expiresAtMs: number | undefined): void {
    clearTimeout(this.#timer);
    if (expiresAtMs === undefined) return;
    const warnAt = expiresAtMs - this.#times.warningMs;
    this.#at(warnAt, () => {
      this.#events.expiring(Math.max(0, expiresAtMs - this.#now()));
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
