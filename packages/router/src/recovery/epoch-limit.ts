/** Number of new epochs that may begin within EPOCHS_WINDOW_MS. */
const EPOCHS_MAX = 4;
const EPOCHS_WINDOW_MS = 1_000;

/**
 * Limits how often a room follows its history into a new epoch. A store that evicts keys, or loses them repeatedly,
 * begins a new epoch with every read. If too many epochs begin, the limit is exceeded for another EPOCHS_WINDOW_MS.
 */
export class EpochLimit {
  readonly #onEnd: () => void;
  /** Number of new epochs in the current period of {@link EPOCHS_WINDOW_MS}. */
  #epochs = 0;
  #sinceMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  /** `onEnd` is called when the limit is no longer exceeded. */
  constructor(onEnd: () => void) {
    this.#onEnd = onEnd;
  }

  get isExceeded(): boolean {
    return this.#timer !== undefined;
  }

  /** Counts one more epoch. Returns whether it exceeds the limit. */
  exceeds(): boolean {
    const nowMs = performance.now();
    if (nowMs - this.#sinceMs >= EPOCHS_WINDOW_MS) {
      this.#epochs = 0;
      this.#sinceMs = nowMs;
    }
    this.#epochs++;
    if (this.#epochs <= EPOCHS_MAX) return false;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#onEnd();
    }, EPOCHS_WINDOW_MS);
    this.#timer.unref();
    return true;
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}
