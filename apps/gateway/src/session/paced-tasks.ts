/** A task. Resolves when it has ended, however it ended; never rejects. */
type Task = () => Promise<void>;

interface Waiting {
  readonly task: Task;
  readonly size: number;
}

/**
 * Limits how much of a kind of work is done at a time, such as the removal of closed connections from the store, and
 * pauses between tasks. If thousands of clients cause such work together, doing it all at once would block the event
 * loop, and delay the store commands of all other clients. A moderate amount of work never waits.
 */
export class PacedTasks {
  readonly #maxSize: number;
  /** The tasks that wait, in the order of the calls. */
  #waiting: Waiting[] = [];
  #next = 0;
  #sizeUnderWay = 0;

  /** `maxSize` limits the sum of the sizes of the tasks that run at a time. */
  constructor(maxSize: number) {
    this.#maxSize = maxSize;
  }

  /** Number of tasks that have not started. */
  get waiting(): number {
    return this.#waiting.length - this.#next;
  }

  /** Runs a task, or queues it. */
  run(size: number, task: Task): void {
    if (this.waiting > 0 || !this.#hasRoomFor(size)) this.#waiting.push({ task, size });
    else this.#start({ task, size });
  }

  /** Whether a task may start now. A task that exceeds the limit by itself runs alone. */
  #hasRoomFor(size: number): boolean {
    return this.#sizeUnderWay === 0 || this.#sizeUnderWay + size <= this.#maxSize;
  }

  #start({ task, size }: Waiting): void {
    this.#sizeUnderWay += size;
    // Start the next tasks in a turn of their own, so that requests that have arrived since then are handled first.
    void task().finally(() => setImmediate(() => this.#ended(size)));
  }

  #ended(size: number): void {
    this.#sizeUnderWay -= size;
    for (;;) {
      const next = this.#waiting[this.#next];
      if (next === undefined || !this.#hasRoomFor(next.size)) return;
      if (++this.#next === this.#waiting.length) {
        this.#waiting = [];
        this.#next = 0;
      }
      this.#start(next);
    }
  }
}
