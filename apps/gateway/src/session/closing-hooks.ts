import { CmError } from "@cm/protocol";
import type { HookRunner } from "./hooks.js";
import { Semaphore } from "./semaphore.js";

/** Maximum number of calls that wait; beyond it, the hook is not called, and a fault is reported. */
const WAITING_MAX = 100_000;

/**
 * Calls the application's hook `onClose`, in the order of the closes. Unlike a request, a close can't be refused:
 * calls over the limit of concurrent ones wait.
 */
export class ClosingHooks {
  readonly #runner: HookRunner;
  readonly #calls: Semaphore;
  readonly #onFault: (error: unknown) => void;

  /** `runner` must admit at least `maxRunning` tasks, and must not be used for anything else. */
  constructor(runner: HookRunner, maxRunning: number, onFault: (error: unknown) => void) {
    this.#runner = runner;
    this.#calls = new Semaphore(maxRunning);
    this.#onFault = onFault;
  }

  /** Calls the hook, now or when one of the running calls has ended or missed its deadline. */
  call(hook: () => void | Promise<void>): void {
    if (this.#calls.waiting >= WAITING_MAX) {
      this.#onFault(new CmError("unavailable", "onClose was not called: too many calls of it wait."));
      return;
    }
    void this.#calls.run(() => this.#runner.notify("onClose", hook));
  }
}
