/** An object whose state is read again periodically. */
export interface Recheckable {
  recheck(): void;
}

/** Shortest time between two reads, regardless of the number of objects, in milliseconds. */
const MIN_STEP_MS = 10;

/** Triggers a read of every watched object once per interval, one after another. */
export class PeriodicRefresh {
  readonly #intervalMs: number;
  readonly #all: () => readonly Recheckable[];
  #round: readonly Recheckable[] = [];
  #next = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(intervalMs: number, all: () => readonly Recheckable[]) {
    this.#intervalMs = intervalMs;
    this.#all = all;
  }

  /** Starts the timer. Called when a watch is opened. */
  start(): void {
    if (this.#timer === undefined) this.#schedule();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#round = [];
  }

  #schedule(): void {
    this.#timer = setTimeout(() => this.#step(), Math.max(MIN_STEP_MS, this.#intervalMs / (this.#round.length || 1)));
    this.#timer.unref();
  }

  #step(): void {
    if (this.#next >= this.#round.length) {
      this.#round = this.#all();
      this.#next = 0;
    }
    // For an object that was closed since the round began, `recheck` does nothing.
    this.#round[this.#next++]?.recheck();
    if (this.#round.length > 0) this.#schedule();
    else this.#timer = undefined;
  }
}
