/** A call that must settle in time. */
export interface Deadline {
  /** It settled: it will not expire any more. Idempotent. */
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
 * Deadlines that are all the same time away. That makes their order of expiry that of
 * their begin, so one timer does for all of them, and one that is cleared is gone at
 * once: a timer for each command would cost as much as sending it.
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
    // The connections keep the process alive for as long as there is something to wait for.
    this.#timer.unref();
  }

  #expire(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (let entry = this.#first; entry !== undefined && entry.at <= now; entry = this.#first) {
      this.#remove(entry);
      entry.expire();
    }
    // What expired may have begun something new, and with it the timer.
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
