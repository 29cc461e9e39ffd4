import { CmError, toCmError } from "@cm/protocol";

/** The fields that determine a change's position in its chain. */
export interface ChainedChange {
  readonly version: number;
  readonly previousVersion: number;
}

/** A state that was read and is not visible to watchers yet. */
export interface StateReading<C> {
  /**
   * A lower bound of the state's version: the first change that may not be included has this version as its
   * `previousVersion`.
   */
  readonly version: number;
  /**
   * The state may contain changes up to this version only partly. It is complete once they have been
   * folded in.
   */
  readonly upTo: number;
  fold(change: C): void;
  /** Makes this the current state, to which later changes are applied, and notifies watchers. */
  install(): void;
}

/** Options of {@link ChangeChain}. */
export interface ChangeChainOptions<C> {
  /** Reads the state. Changes that are made after the call also arrive as changes. */
  readonly read: () => Promise<StateReading<C>>;
  /** Applies the next change. Must not throw. */
  readonly apply: (change: C) => void;
  /** Maximum number of changes that are kept while the state is being read. */
  readonly maxBuffered: number;
  /** Receives the error of a failed read; not called again until a read has succeeded. */
  readonly onError: (error: CmError) => void;
}

/** How long to wait for a change that was published but has not arrived, in milliseconds. */
export const ARRIVAL_MS = 2_000;

/** Pause after a failed read, in milliseconds; doubled after each further failure, up to the longest. */
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 5_000;

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: CmError) => void;
}

/**
 * The state of one feed and the changes that follow, applied in order and once each. Every change contains the
 * version before it: changes that the state already includes are dropped, and if a change is missing, the state is
 * read again.
 */
export class ChangeChain<C extends ChainedChange> {
  readonly #options: ChangeChainOptions<C>;
  /** Version of the state including all changes so far; `undefined` before the first read. */
  #version: number | undefined;
  #isReading = false;
  #isWanted = false;
  #buffer: C[] = [];
  #overflowed = false;
  #waiters: Waiter[] = [];
  /** Ends the current wait for a change. */
  #arrived: (() => void) | undefined;
  /** Ends the current wait of any kind. */
  #stop: (() => void) | undefined;
  #failures = 0;
  #closed = false;

  constructor(options: ChangeChainOptions<C>) {
    this.#options = options;
  }

  get version(): number {
    return this.#version ?? 0;
  }

  /** Processes a change that arrived. */
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
   * Reads the state again. Resolves when a read that started after this call is installed. Rejects with
   * the error of that read; the read is then tried again nevertheless.
   */
  refresh(): Promise<void> {
    if (this.#closed) return Promise.reject(closed());
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#isWanted = true;
      if (!this.#isReading) void this.#run();
    });
  }

  /** Triggers {@link refresh} without waiting for it. */
  invalidate(): void {
    // The failure is reported to `onError`.
    this.refresh().catch(() => undefined);
  }

  close(): void {
    this.#closed = true;
    this.#buffer = [];
    for (const { reject } of this.#waiters.splice(0)) reject(closed());
    this.#stop?.();
  }

  /**
   * Applies the change if it is the next one. Returns `true` also if the state already includes it, and `false` if
   * a change before it is missing.
   */
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
    // Changes that arrived before the read begins are included in it.
    this.#buffer = [];
    this.#overflowed = false;
    try {
      const reading = await this.#options.read();
      if (this.#closed) throw closed();
      if (!(await this.#complete(reading))) {
        // `close` did not reject these waiters, because they are no longer in the list: reject them here.
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

  /**
   * Folds the buffered changes into the state that was read. Resolves with `false` if it can't be completed.
   */
  async #complete(reading: StateReading<C>): Promise<boolean> {
    let version = reading.version;
    const deadline = performance.now() + ARRIVAL_MS;
    for (;;) {
      if (this.#overflowed || this.#closed) return false;
      for (const change of this.#buffer.splice(0)) {
        if (change.version <= version) continue;
        if (version >= reading.upTo) {
          // Keep later changes, to pass them to the watchers after the read is installed.
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

  /** Applies the changes that arrived during the read. */
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
  return new CmError("closed", "Presence was closed, or the watch has ended.");
}
