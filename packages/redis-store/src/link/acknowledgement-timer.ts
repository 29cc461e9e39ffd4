/** Options of {@link AcknowledgementTimer}. */
export interface AcknowledgementTimerOptions {
  /** Maximum time until an acknowledgement, in milliseconds. */
  readonly timeoutMs: number;
  /** Whether any subscription is sent and not acknowledged. */
  readonly isAwaited: () => boolean;
  /** Called when none was acknowledged within half of the maximum time. */
  readonly onLate: () => void;
  /** Called when none was acknowledged within the maximum time. */
  readonly onOverdue: () => void;
}

/**
 * Runs from the sending of subscriptions, or the latest acknowledgement, until the next one. One timer is enough for
 * all, because Redis replies in order: as long as any subscription is acknowledged, the others will be as well.
 */
export class AcknowledgementTimer {
  readonly #options: AcknowledgementTimerOptions;
  #timer: NodeJS.Timeout | undefined;
  #isLate = false;

  constructor(options: AcknowledgementTimerOptions) {
    this.#options = options;
  }

  /** Whether none of the sent subscriptions was acknowledged within half of the maximum time. */
  get isLate(): boolean {
    return this.#isLate;
  }

  /** Starts the timer for the next acknowledgement, unless it runs or none is awaited. */
  start(): void {
    const { timeoutMs, isAwaited, onLate, onOverdue } = this.#options;
    if (!isAwaited() || this.#timer !== undefined) return;
    const halfMs = timeoutMs / 2;
    this.#after(halfMs, () => {
      this.#isLate = true;
      this.#after(halfMs, onOverdue);
      onLate();
    });
  }

  /** Stops the timer. Acknowledgements are not late until it is started again and half of the time passes. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isLate = false;
  }

  #after(delayMs: number, act: () => void): void {
    const timer = setTimeout(() => {
      // Wait one turn, so that data that arrived while this process was stopped is read first.
      setImmediate(() => {
        if (this.#timer !== timer) return;
        this.#timer = undefined;
        if (this.#options.isAwaited()) act();
      });
    }, delayMs).unref();
    this.#timer = timer;
  }
}
