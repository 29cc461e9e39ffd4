import { type ClientErrorCode, CmError, ERROR_CODES, isClientErrorCode, isCmError } from "@cm/protocol";
import type { LimitCounter } from "../limits/limit-counter.js";

/** The connection that a hook is called for. */
export interface HookConnection {
  /** The connection's id. */
  readonly id: string;
  /** The user that the connection belongs to. */
  readonly userId: string;
  /** The `data` that `authenticate` returned or, since then, `refresh`; with `tokens`, the claim `info`. */
  readonly data: unknown;
}

/** A hook's refusal of a request. */
export interface Refusal {
  /** The error code that is sent to the client. */
  readonly refuse: ClientErrorCode;
  /** A message for the client's developer. Default: the meaning of the code. */
  readonly message?: string;
}

/** Returning nothing allows the request; returning a {@link Refusal} or throwing a `CmError` refuses it. */
// biome-ignore lint/suspicious/noConfusingVoidType: a hook without a return statement allows.
export type HookOutcome = void | undefined | Refusal;
type Answer = HookOutcome | Promise<HookOutcome>;

/** The recipient of a direct message: one connection, or all of a user's connections. */
export type DirectTarget = { readonly connection: string } | { readonly user: string };

/**
 * The application's decisions about clients' requests. Each hook may be async, and allows a request by returning
 * nothing. A hook refuses the request by returning a {@link Refusal} or throwing a `CmError`. A thrown
 * `unavailable`, `timeout` or `closed` may come from the store: the client is sent the code with its meaning
 * instead of the message. If the hook throws any other error, the error is logged and the request is refused with
 * `internal`. If the hook takes longer than `hookTimeoutMs`, that is logged and the request is refused with
 * `timeout`. A connection's requests about one room, and its direct messages, keep their order while hooks decide.
 */
export interface GatewayHooks {
  /**
   * Called when a connection has sent `hello`, before the connection is registered. If the hook refuses, the
   * connection is closed with 4001, or with 4204 if the error is retryable; if the hook fails, with 4205.
   */
  readonly onConnect?: ((connection: HookConnection) => Answer) | undefined;
  /**
   * Called before a client joins a room that it is not in. Not called for joins that another server requests.
   */
  readonly onJoin?: ((connection: HookConnection, request: { readonly room: string }) => Answer) | undefined;
  /** Called before a member's message is published to its room. */
  readonly onPublish?:
    | ((connection: HookConnection, request: { readonly room: string; readonly data: unknown }) => Answer)
    | undefined;
  /** Called before a direct message is sent to a connection or a user. */
  readonly onSend?:
    | ((connection: HookConnection, request: { readonly to: DirectTarget; readonly data: unknown }) => Answer)
    | undefined;
  /** Called before a client is sent the list of a room's members. The client need not be in the room. */
  readonly onMembers?: ((connection: HookConnection, request: { readonly room: string }) => Answer) | undefined;
  /**
   * Called after the close of a connection that has sent a valid `hello`, even if `onConnect` refused it. At most
   * `maxPendingHooks` calls are pending, and up to 100,000 wait for them; beyond that, the hook is not called, and
   * that is logged. Errors and calls that take longer than `hookTimeoutMs` are logged too.
   */
  readonly onClose?:
    | ((connection: HookConnection, end: { readonly code: number; readonly reason: string }) => void | Promise<void>)
    | undefined;
}

/** The limits of application code, and the counter of how often they were reached. */
export interface HookLimits {
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
export class HookRunner {
  readonly #asked: Asked;
  readonly #limits: HookLimits;
  readonly #onFault: (error: unknown) => void;
  readonly #took: (name: string, ms: number) => void;
  #pending = 0;

  /**
   * `onFault` receives missed deadlines and the errors of `notify`; `took` receives the duration of each call in
   * milliseconds.
   */
  constructor(
    asked: Asked,
    limits: HookLimits,
    onFault: (error: unknown) => void,
    took: (name: string, ms: number) => void = () => undefined,
  ) {
    this.#asked = asked;
    this.#limits = limits;
    this.#onFault = onFault;
    this.#took = took;
  }

  /** Waits for a hook's decision. Rejects with the error for the client if the hook refuses. */
  async ask(name: string, hook: () => Answer): Promise<void> {
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
      throw new CmError("unavailable", "Too many requests wait for the application's hooks.", {
        details: { [this.#asked]: name },
      });
    }
    this.#pending++;
    const beganAt = performance.now();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reached.count(`${this.#asked}-time`);
        this.#onFault(this.#fault("timeout", name, `did not answer within ${timeoutMs} ms`));
        const details = { [this.#asked]: name };
        reject(new CmError("timeout", "The application's hook did not decide in time.", { details }));
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
