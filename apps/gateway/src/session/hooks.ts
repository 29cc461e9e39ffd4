import { type ClientErrorCode, CmError, ERROR_CODES, isClientErrorCode, isCmError } from "@cm/protocol";

/** The connection that a hook is asked about. */
export interface HookConnection {
  /** The connection's id. */
  readonly id: string;
  /** Whose connection it is. */
  readonly userId: string;
  /** What `authenticate` gave as `data`. */
  readonly data: unknown;
}

/** A hook's no, which the client is answered with. */
export interface Refusal {
  /** The code that the client is answered with. */
  readonly refuse: ClientErrorCode;
  /** For the client's developer. Default: what the code means. */
  readonly message?: string;
}

/** Nothing allows the request; a {@link Refusal} refuses it, as throwing a `CmError` does. */
// biome-ignore lint/suspicious/noConfusingVoidType: a hook without a return statement allows.
export type HookOutcome = void | undefined | Refusal;
type Answer = HookOutcome | Promise<HookOutcome>;

/** Who a direct message is for: one connection, or all of a user. */
export type DirectTarget = { readonly connection: string } | { readonly user: string };

/**
 * What an application decides about its clients' requests. Each hook may be async, and
 * allows a request by returning nothing. It refuses by returning a {@link Refusal} or
 * throwing a `CmError`. Anything else that it throws is logged and refuses with `internal`;
 * a hook that takes longer than `hookTimeoutMs` is logged and refuses with `timeout`.
 * A room's requests of one connection, and its direct messages, keep their order meanwhile.
 */
export interface GatewayHooks {
  /** Before a connection is registered, at its `hello`. Refused, it is closed: with 4001, or with 4204 where it may come back. */
  readonly onConnect?: ((connection: HookConnection) => Answer) | undefined;
  /** Before a client's join of a room that it is not in. Not for joins that another server asks for. */
  readonly onJoin?: ((connection: HookConnection, request: { readonly room: string }) => Answer) | undefined;
  /** Before a member's message goes to its room. */
  readonly onPublish?:
    | ((connection: HookConnection, request: { readonly room: string; readonly data: unknown }) => Answer)
    | undefined;
  /** Before a direct message goes to a connection or a user. */
  readonly onSend?:
    | ((connection: HookConnection, request: { readonly to: DirectTarget; readonly data: unknown }) => Answer)
    | undefined;
  /** Before a client is told who is in a room, which need not be one that it is in. */
  readonly onMembers?: ((connection: HookConnection, request: { readonly room: string }) => Answer) | undefined;
  /** After a connection closed for which `onConnect` had been asked. What it throws is logged. */
  readonly onClose?:
    | ((connection: HookConnection, end: { readonly code: number; readonly reason: string }) => void | Promise<void>)
    | undefined;
}

/** What the application is asked: a decision, or the answer to a request over HTTP. */
type Asked = "hook" | "route";

/** Asks the application, within a time and not too often at once. */
export class HookRunner {
  readonly #asked: Asked;
  readonly #timeoutMs: number;
  readonly #maxPending: number;
  readonly #onFault: (error: unknown) => void;
  #pending = 0;

  /** `onFault` hears of hooks that are late. */
  constructor(asked: Asked, timeoutMs: number, maxPending: number, onFault: (error: unknown) => void) {
    this.#asked = asked;
    this.#timeoutMs = timeoutMs;
    this.#maxPending = maxPending;
    this.#onFault = onFault;
  }

  /** Waits for a hook's word. Fails with what the client is to be answered. */
  async ask(name: string, hook: () => Answer): Promise<void> {
    const outcome = await this.run(name, hook);
    if (outcome !== undefined) throw this.#refused(name, outcome);
  }

  /**
   * Waits for what the application works out. A `CmError` that it throws goes to the client; anything else becomes
   * `internal`, whose details name the hook or route for the log.
   */
  async run<T>(name: string, task: () => T | Promise<T>): Promise<T> {
    if (this.#pending >= this.#maxPending) {
      throw new CmError("unavailable", "Too many requests wait for the application's decision.");
    }
    this.#pending++;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.#onFault(this.#fault("timeout", name, `did not answer within ${this.#timeoutMs} ms`));
        reject(new CmError("timeout", "The application did not decide in time."));
      }, this.#timeoutMs);
    });
    try {
      return await Promise.race([task(), late]);
    } catch (cause) {
      throw isCmError(cause) ? cause : this.#fault("internal", name, "failed", cause);
    } finally {
      clearTimeout(timer);
      this.#pending--;
    }
  }

  #refused(name: string, outcome: unknown): CmError {
    const { refuse, message } = Object(outcome) as Partial<Record<keyof Refusal, unknown>>;
    if (typeof refuse === "string" && isClientErrorCode(refuse)) {
      return new CmError(refuse, typeof message === "string" ? message : ERROR_CODES[refuse].meaning);
    }
    return this.#fault("internal", name, "returned neither nothing nor a refusal with a code that clients know");
  }

  #fault(code: "internal" | "timeout", name: string, what: string, cause?: unknown): CmError {
    return new CmError(code, `The ${this.#asked} ${name} ${what}.`, { cause, details: { [this.#asked]: name } });
  }
}
