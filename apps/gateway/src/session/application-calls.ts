import { CmError, ERROR_CODES, isClientErrorCode, isCmError } from "@cm/protocol";
import type { LimitCounter } from "../limits/limit-counter.js";
import type { HookOutcome, Refusal } from "./hooks.js";

/** The limits of application code, and the counter of how often they were reached. */
export interface CallLimits {
  /** Maximum time for one call, in milliseconds. */
  readonly timeoutMs: number;
  /** Maximum number of calls that wait for a result at the same time. */
  readonly maxPending: number;
  readonly reached: LimitCounter;
}

/** The kind of application code to run: a hook, which decides, or a route, which responds to an HTTP request. */
type Asked = "hook" | "route";

/**
 * Runs the application's hooks or routes, within limits of time and concurrency. A task takes a place until it
 * settles or misses its deadline, whichever is first: a task can't be stopped, and one that never settles would
 * keep its place for ever. Tasks that go on after their deadline are therefore not bounded.
 */
export class ApplicationCalls {
  readonly #asked: Asked;
  readonly #limits: CallLimits;
  readonly #onFault: (error: unknown) => void;
  readonly #took: (name: string, ms: number) => void;
  #pending = 0;

  /**
   * `onFault` receives missed deadlines and the errors of `notify`; `took` receives the duration of each call in
   * milliseconds.
   */
  constructor(
    asked: Asked,
    limits: CallLimits,
    onFault: (error: unknown) => void,
    took: (name: string, ms: number) => void = () => undefined,
  ) {
    this.#asked = asked;
    this.#limits = limits;
    this.#onFault = onFault;
    this.#took = took;
  }

  /** Waits for a hook's decision. Rejects with the error for the client if the hook refuses. */
  async ask(name: string, hook: () => HookOutcome | Promise<HookOutcome>): Promise<void> {
    const outcome = await this.run(name, hook);
    if (outcome !== undefined) throw this.#refused(name, outcome);
  }

  /**
   * Runs a hook or route and resolves with its result. Rejects with a `CmError` that it throws; any other error
   * becomes `internal`, with the name of the hook or route in its details, for the log. Also rejects with
   * `unavailable` if too many calls are pending, and with `timeout` after the deadline.
   */
  async run<T>(name: string, task: () => T | Promise<T>): Promise<T> {
    const { timeoutMs, maxPending, reached } = this.#limits;
    if (this.#pending >= maxPending) {
      reached.count(`${this.#asked}s`);
      throw new CmError("unavailable", `Too many calls of the application's ${this.#asked}s are pending.`, {
        details: { [this.#asked]: name },
      });
    }
    this.#pending++;
    const beganAt = performance.now();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reached.count(`${this.#asked}-time`);
        const fault = this.#fault("timeout", name, `did not answer within ${timeoutMs} ms`);
        this.#onFault(fault);
        reject(fault);
      }, timeoutMs);
      // A hook that never answers must not keep the process alive.
      timer.unref();
    });
    try {
      return await Promise.race([task(), late]);
    } catch (cause) {
      throw isCmError(cause) ? cause : this.#fault("internal", name, "failed", cause);
    } finally {
      clearTimeout(timer);
      this.#pending--;
      this.#took(name, performance.now() - beganAt);
    }
  }

  /**
   * Runs a hook whose result no request waits for. Its errors are reported, as is a missed deadline. Never
   * rejects.
   */
  async notify(name: string, hook: () => void | Promise<void>): Promise<void> {
    const reported = async (): Promise<void> => {
      try {
        await hook();
      } catch (cause) {
        this.#onFault(this.#fault("internal", name, "failed", cause));
      }
    };
    // `reported` never rejects, and the caller keeps below the limit of pending calls. `run` can therefore only
    // reject with the timeout, which it has reported.
    await this.run(name, reported).catch(() => undefined);
  }

  #refused(name: string, outcome: unknown): CmError {
    const { refuse, message } = Object(outcome) as Partial<Record<keyof Refusal, unknown>>;
    if (typeof refuse === "string" && isClientErrorCode(refuse)) {
      return new CmError(refuse, typeof message === "string" ? message : ERROR_CODES[refuse].meaning, {
        details: { [this.#asked]: name },
      });
    }
    return this.#fault("internal", name, "must return undefined or a refusal with a client error code");
  }

  #fault(code: "internal" | "timeout", name: string, what: string, cause?: unknown): CmError {
    return new CmError(code, `The ${this.#asked} ${name} ${what}.`, { cause, details: { [this.#asked]: name } });
  }
}
