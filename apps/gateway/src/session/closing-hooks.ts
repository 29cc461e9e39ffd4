import { CmError } from "@cm/protocol";
import type { HookRunner } from "./hooks.js";

/** Maximum number of calls that wait; beyond it, the hook is not called, and a fault is reported. */
const WAITING_MAX = 100_000;

interface Waiting {
  readonly hook: () => void | Promise<void>;
  next: Waiting | undefined;
}

/**
 * Calls the application's hook `onClose`, in the order of the closes. Unlike a request, a close can't be refused:
 * calls over the limit of concurrent ones wait.
 */
export class ClosingHooks {
  readonly #runner: HookRunner;
  readonly #maxRunning: number;
  readonly #onFault: (error: unknown) => void;
  #running = 0;
  /**
   * The waiting calls are a linked list, because many connections may close at once: removing the first element of
   * a long array is slow.
   */
  #first: Waiting | undefined;
  #last: Waiting | undefined;
  #waiting = 0;

  /** `runner` must admit at least `maxRunning` tasks, and must not be used for anything else. */
  constructor(runner: HookRunner, maxRunning: number, onFault: (error: unknown) => void) {
    this.#runner = runner;
    this.#maxRunning = maxRunning;
    this.#onFault = onFault;
  }

  /** Calls the hook, now or when one of the running calls has ended or missed its deadline. */
  call(hook: () => void | Promise<void>): void {
    if (this.#running < this.#maxRunning) {
      void this.#run(hook);
      return;
    }
    if (this.#waiting >= WAITING_MAX) {
      this.#onFault(new CmError("unavailable", "onClose was not called: too many calls of it wait."));
      return;
    }
    const entry: Waiting = { hook, next: undefined };
    if (this.#last === undefined) this.#first = entry;
    else this.#last.next = entry;
    this.#last = entry;
    this.#waiting++;
  }

  async #run(hook: () => void | Promise<void>): Promise<void> {
    this.#running++;
    await this.#runner.notify("onClose", hook);
    this.#running--;
    const next = this.#first;
    if (next === undefined) return;
    this.#first = next.next;
    if (this.#first === undefined) this.#last = undefined;
    this.#waiting--;
    void this.#run(next.hook);
  }
}
