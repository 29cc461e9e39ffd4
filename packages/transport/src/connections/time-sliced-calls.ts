/**
 * Time after which no further call begins in one turn of the event loop, in milliseconds. When very many
 * connections close at once, other clients should wait at most 100 ms. This is only a twentieth of that time,
 * because reading from sockets, the store's responses and garbage collection take place in the same turn.
 */
const SLICE_MS = 5;

/**
 * Maximum number of waiting calls. If more calls wait, the oldest ones run at once, which makes the turn longer
 * again.
 */
const WAITING_MAX = 16_384;

/**
 * Runs calls in order, for about {@link SLICE_MS} in one turn of the event loop. A moderate number of calls runs
 * at once. Further calls run in the following turns, in each turn after the data that has arrived over the
 * network was handled. At most {@link WAITING_MAX} calls wait; beyond that, the oldest ones run at once.
 */
export class TimeSlicedCalls {
  readonly #nowMs: () => number;
  #waiting: (() => void)[] = [];
  /** Index of the first waiting call, so that the array need not be shifted for each call. */
  #next = 0;
  #spentMs = 0;
  #turn: NodeJS.Immediate | undefined;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** Number of calls that wait for a later turn. */
  get waiting(): number {
    return this.#waiting.length - this.#next;
  }

  /**
   * Runs the call at once if no call waits and the turn has time left, otherwise in a later turn. The call must
   * not throw.
   */
  run(call: () => void): void {
    if (this.waiting === 0 && this.#spentMs < SLICE_MS) {
      this.#run(call);
      return;
    }
    this.#waiting.push(call);
    if (this.waiting > WAITING_MAX) this.#take()?.();
    this.#arm();
  }

  /** Runs all waiting calls at once. Called when the server closes. */
  flush(): void {
    while (this.waiting > 0) this.#take()?.();
  }

  #run(call: () => void): void {
    const beganAt = this.#nowMs();
    call();
    this.#spentMs += this.#nowMs() - beganAt;
    this.#arm();
  }

  #arm(): void {
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined;
      this.#spentMs = 0;
      while (this.#spentMs < SLICE_MS) {
        const call = this.#take();
        if (call === undefined) return;
        this.#run(call);
      }
    });
  }

  #take(): (() => void) | undefined {
    const call = this.#waiting[this.#next];
    if (call === undefined) return undefined;
    // Discard the calls that have run once they are half of the array.
    if (++this.#next * 2 >= this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#next);
      this.#next = 0;
    }
    return call;
  }
}
