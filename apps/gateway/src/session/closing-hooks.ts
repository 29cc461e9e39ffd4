import { CmError } from "@cm/protocol";
import { Semaphore } from "@cm/protocol/turns";
import type { ApplicationCalls } from "./application-calls.js";

/** Maximum number of calls that wait. */
const WAITING_MAX = 100_000;

/**
 * Calls the application's hook `onClose`, in the order of the closes. Calls over the limit of concurrent ones wait;
 * beyond {@link WAITING_MAX}, the hook is not called, and the fault is reported.
 */
export class ClosingHooks {
  readonly #calls: ApplicationCalls;
  readonly #running: Semaphore;
  readonly #onFault: (error: unknown) => void;

  /** `calls` must admit at least `maxRunning` tasks, and must not be used for anything else. */
  constructor(calls: ApplicationCalls, maxRunning: number, onFault: (error: unknown) => void) {
    this.#calls = calls;
    this.#running = new Semaphore(maxRunning);
    this.#onFault = onFault;
  }

  /** Calls the hook, now or when one of the running calls has ended or missed its deadline. */
  call(hook: () => void | Promise<void>): void {
    if (this.#running.waiting >= WAITING_MAX) {
      this.#onFault(new CmError("unavailable", "onClose was not called: too many calls of it wait."));
      return;
    }
    void this.#running.run(() => this.#calls.notify("onClose", hook));
  }
}
