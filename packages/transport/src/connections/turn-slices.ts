/**
 * How long the calls of one turn of the event loop may take in all, in milliseconds: a twentieth of the
 * 100 ms that other clients may wait in a storm, since reading from sockets, the store's answers and
 * garbage collection share the turn.
 */
const SLICE_MS = 5;

/** Calls that wait at most; a stream of ends that outruns the slices for longer than that slows the turn down again. */
const WAITING_MAX = 16_384;

/**
 * Runs calls in their order, for at most {@link SLICE_MS} in one turn of the event loop: those that come in
 * ordinary numbers at once, the rest of a storm in the turns that follow, each behind what came in over
 * the network meanwhile. At most {@link WAITING_MAX} calls wait: the oldest run at once where there are more.
 */
export class TurnSlices {
  readonly #nowMs: () => number;
  #waiting: (() => void)[] = [];
  /** Index of the first call that waits: an array is not shifted for each. */
  #next = 0;
  #spentMs = 0;
  #turn: NodeJS.Immediate | undefined;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** Calls that wait for a later turn. */
  get waiting(): number {
    return this.#waiting.length - this.#next;
  }

  /** Now, where nothing waits and the turn has time left; or in a later turn. The call must not throw. */
  run(call: () => void): void {
    if (this.waiting === 0 && this.#spentMs < SLICE_MS) {
      this.#run(call);
      return;
    }
    this.#waiting.push(call);
    if (this.waiting > WAITING_MAX) this.#take()?.();
    this.#arm();
  }

  /** Runs all that waits at once: its owner closes. */
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
    // Those that have run are let go when they are half of the array.
    if (++this.#next * 2 >= this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#next);
      this.#next = 0;
    }
    return call;
  }
}
