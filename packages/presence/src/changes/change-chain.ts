import { CmError, toCmError } from "@cm/protocol";

/** What places a change in its chain. */
export interface ChainedChange {
  readonly version: number;
  readonly previousVersion: number;
}

/** A state that was read, and is not shown to watchers yet. */
export interface Reading<C> {
  /** The version that it is of at least: the change after it names this one. */
  readonly version: number;
  /** Changes up to this version may be in it in part: it is whole when they were folded in. */
  readonly upTo: number;
  fold(change: C): void;
  /** Makes it the state that changes follow on, and tells watchers. */
  install(): void;
}

/** What a {@link ChangeChain} needs. */
export interface ChangeChainOptions<C> {
  /** Reads the state. What changes after the call arrives as a change as well. */
  readonly read: () => Promise<Reading<C>>;
  /** Takes the next change. Must not throw. */
  readonly apply: (change: C) => void;
  /** The most changes kept while the state is being read. */
  readonly maxBuffered: number;
  /** Takes why a reading failed, once until one succeeds. */
  readonly onError: (error: CmError) => void;
}

/** How long a change that must be on its way is waited for. */
const ARRIVAL_MS = 2_000;

/** Pauses between readings that did not succeed, doubled each time. */
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 5_000;

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: CmError) => void;
}

/**
 * One feed's state and the changes that follow on it, in order and each once. Every change
 * names the one before it: late ones are dropped, and where one is missing the state is
 * read again.
 */
export class ChangeChain<C extends ChainedChange> {
  readonly #options: ChangeChainOptions<C>;
  /** Version of the state with all changes so far; `undefined` before the first reading. */
  #version: number | undefined;
  #isReading = false;
  #isWanted = false;
  #buffer: C[] = [];
  #overflowed = false;
  #waiters: Waiter[] = [];
  /** Ends the wait for a change. */
  #arrived: (() => void) | undefined;
  /** Ends any wait. */
  #stop: (() => void) | undefined;
  #failures = 0;
  #closed = false;

  constructor(options: ChangeChainOptions<C>) {
    this.#options = options;
  }

  get version(): number {
    return this.#version ?? 0;
  }

  /** Takes what arrived. */
  offer(change: C): void {
    if (this.#closed) return;
    if (!this.#isReading) {
      if (this.#version === undefined) return;
      this.#next(change);
      return;
    }
    if (this.#buffer.length >= this.#options.maxBuffered) {
      this.#overflowed = true;
      this.#buffer = [];
    }
    if (!this.#overflowed) this.#buffer.push(change);
    this.#arrived?.();
  }

  /**
   * Reads the state again. Resolves when a reading that began after this call is installed;
   * fails with what that reading failed with, and is then tried again all the same.
   */
  refresh(): Promise<void> {
    if (this.#closed) return Promise.reject(closed());
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#isWanted = true;
      if (!this.#isReading) void this.#run();
    });
  }

  /** As {@link refresh}, without a caller that waits. */
  invalidate(): void {
    // A failure goes to `onError`.
    this.refresh().catch(() => undefined);
  }

  close(): void {
    this.#closed = true;
    this.#buffer = [];
    for (const { reject } of this.#waiters.splice(0)) reject(closed());
    this.#stop?.();
  }

  /** Whether the change was the next one, or a late one. */
  #next(change: C): boolean {
    const version = this.version;
    if (change.version <= version) return true;
    if (change.previousVersion !== version) {
      this.invalidate();
      return false;
    }
    this.#version = change.version;
    this.#options.apply(change);
    return true;
  }

  async #run(): Promise<void> {
    this.#isReading = true;
    let attempt = 0;
    while (this.#isWanted && !this.#closed) {
      if (attempt > 0) await this.#pause(Math.min(FIRST_PAUSE_MS * 2 ** (attempt - 1), LONGEST_PAUSE_MS), false);
      const isInstalled = await this.#readOnce();
      attempt = isInstalled ? 0 : attempt + 1;
    }
    this.#isReading = false;
  }

  async #readOnce(): Promise<boolean> {
    const waiters = this.#waiters.splice(0);
    this.#isWanted = false;
    // What arrived before a reading begins is in it.
    this.#buffer = [];
    this.#overflowed = false;
    try {
      const reading = await this.#options.read();
      if (this.#closed) throw closed();
      if (!(await this.#complete(reading))) {
        // Those who wait were taken out of the list that closing settles.
        if (this.#closed) throw closed();
        this.#waiters.unshift(...waiters);
        this.#isWanted = true;
        return false;
      }
      this.#failures = 0;
      reading.install();
    } catch (cause) {
      this.#fail(cause, waiters);
      return false;
    }
    for (const { resolve } of waiters) resolve();
    this.#catchUp();
    return true;
  }

  #fail(cause: unknown, waiters: readonly Waiter[]): void {
    const error = toCmError(cause, "internal", "The state of a feed could not be read.");
    for (const { reject } of waiters) reject(error);
    if (this.#closed) return;
    this.#isWanted = true;
    this.#failures++;
    if (this.#failures === 1) this.#options.onError(error);
  }

  /** Applies the buffered changes; whether they were complete, without a gap. */
  async #complete(reading: Reading<C>): Promise<boolean> {
    let version = reading.version;
    const deadline = performance.now() + ARRIVAL_MS;
    for (;;) {
      if (this.#overflowed || this.#closed) return false;
      for (const change of this.#buffer.splice(0)) {
        if (change.version <= version) continue;
        if (version >= reading.upTo) {
          // Later changes go to the watchers.
          this.#buffer.push(change);
          continue;
        }
        if (change.previousVersion !== version) return false;
        version = change.version;
        reading.fold(change);
      }
      if (version >= reading.upTo) break;
      const restMs = deadline - performance.now();
      if (restMs <= 0) return false;
      await this.#pause(restMs, true);
    }
    this.#version = version;
    return true;
  }

  /** Goes on with what arrived during the reading. */
  #catchUp(): void {
    const waiting = this.#buffer;
    this.#buffer = [];
    for (const change of waiting) if (!this.#next(change)) return;
  }

  #pause(ms: number, untilChange: boolean): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#arrived = undefined;
        this.#stop = undefined;
        resolve();
      };
      const timer = setTimeout(done, ms);
      timer.unref();
      this.#stop = done;
      if (untilChange) this.#arrived = done;
    });
  }
}

function closed(): CmError {
  return new CmError("closed", "Presence was closed, or nobody watches any more.");
}
