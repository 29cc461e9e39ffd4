interface Waiting {
  readonly start: () => void;
  next: Waiting | undefined;
}

/** A FIFO semaphore: limits how many tasks run at a time. Further tasks start in the order of the calls. */
export class Semaphore {
  #free: number;
  /** The waiting tasks are a linked list, because removing the first element of a long array is slow. */
  #first: Waiting | undefined;
  #last: Waiting | undefined;
  #waiting = 0;

  /** `atOnce` is the maximum number of tasks that run at a time. */
  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  /** Number of tasks that have not started. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Runs a task, at once if possible. Settles like the task. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#append(resolve));
    try {
      return await task();
    } finally {
      // Hand the place to the first waiting task, so that a later one can't overtake it.
      const next = this.#removeFirst();
      if (next === undefined) this.#free++;
      else next();
    }
  }

  #append(start: () => void): void {
    const entry: Waiting = { start, next: undefined };
    if (this.#last === undefined) this.#first = entry;
    else this.#last.next = entry;
    this.#last = entry;
    this.#waiting++;
  }

  #removeFirst(): (() => void) | undefined {
    const entry = this.#first;
    if (entry === undefined) return undefined;
    this.#first = entry.next;
    if (this.#first === undefined) this.#last = undefined;
    this.#waiting--;
    return entry.start;
  }
}
