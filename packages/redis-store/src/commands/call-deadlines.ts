/** The deadline of one call. */
export interface Deadline {
  /** Removes the deadline, because the call has settled. Idempotent. */
  clear(): void;
}

class Entry implements Deadline {
  readonly at: number;
  readonly expire: () => void;
  readonly #unlink: (entry: Entry) => void;
  before: Entry | undefined;
  after: Entry | undefined;
  listed = true;

  constructor(at: number, expire: () => void, unlink: (entry: Entry) => void) {
    this.at = at;
    this.expire = expire;
    this.#unlink = unlink;
  }

  clear(): void {
    if (this.listed) this.#unlink(this);
  }
}

/**
 * Deadlines with the same timeout. They expire in the order in which they were added, so one timer serves all
 * of them, and a cleared one is removed at once. A timer for each command would cost as much as sending the
 * command.
 */
export class Deadlines {
  readonly #timeoutMs: number;
  readonly #unlink = (entry: Entry): void => this.#remove(entry);
  #first: Entry | undefined;
  #last: Entry | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  add(expire: () => void): Deadline {
    const entry = new Entry(performance.now() + this.#timeoutMs, expire, this.#unlink);
    entry.before = this.#last;
    if (this.#last === undefined) this.#first = entry;
    else this.#last.after = entry;
    this.#last = entry;
    if (this.#timer === undefined) this.#arm(this.#timeoutMs);
    return entry;
  }

  #arm(delayMs: number): void {
    this.#timer = setTimeout(() => this.#expire(), delayMs);
    // The connections keep the process alive for as long as a command is pending.
    this.#timer.unref();
  }

  #expire(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (let entry = this.#first; entry !== undefined && entry.at <= now; entry = this.#first) {
      this.#remove(entry);
      entry.expire();
    }
    // The callbacks may have added deadlines, and with them started the timer.
    if (this.#first !== undefined && this.#timer === undefined) this.#arm(Math.ceil(this.#first.at - now));
  }

  #remove(entry: Entry): void {
    entry.listed = false;
    if (entry.before === undefined) this.#first = entry.after;
    else entry.before.after = entry.after;
    if (entry.after === undefined) this.#last = entry.before;
    else entry.after.before = entry.before;
    entry.before = undefined;
    entry.after = undefined;
  }
}
