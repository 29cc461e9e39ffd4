import {
  CmError,
  type EnvelopePosition,
  isCmError,
  type OperationOutcome,
  QUESTION_MAX_BYTES,
  type ServerOperation,
} from "@cm/protocol";
import { within } from "./promise-timeout.js";

/** Executes an operation. Bytes in the operation are only valid during the call. May throw. */
export type CarryOut = (operation: ServerOperation, origin: string) => OperationOutcome | Promise<OperationOutcome>;

/** Options of {@link IncomingRequests}. */
export interface IncomingRequestsOptions {
  readonly carryOut: CarryOut;
  readonly answer: (serverId: string, to: EnvelopePosition, outcome: OperationOutcome) => Promise<void>;
  /** Maximum number of operations in progress. */
  readonly max: number;
  /** Called with an error thrown by a handler, or for a response that could not be sent. */
  readonly onFault: (cause: unknown, stage: "handler" | "bus") => void;
}

const TOO_LATE = Symbol("too late");

/**
 * Handles requests from other servers: executes each once and sends a response, unless the requester no
 * longer waits for the response.
 */
export class IncomingRequests {
  readonly #options: IncomingRequestsOptions;
  #running = 0;

  constructor(options: IncomingRequestsOptions) {
    this.#options = options;
  }

  /** Executes a request of another server and sends the response. */
  take(origin: string, to: EnvelopePosition, operation: ServerOperation, timeoutMs: number): void {
    void this.#takeUntilAnswered(origin, to, operation, timeoutMs);
  }

  /** Refuses a request that cannot be executed. */
  refuse(origin: string, to: EnvelopePosition, error: CmError): void {
    void this.#answer(origin, to, { type: "refused", code: error.code });
  }

  /**
   * Executes an operation for this server itself. Resolves with `timeout` if the operation takes longer than
   * `timeoutMs`; never rejects.
   */
  async run(
    operation: ServerOperation,
    origin: string,
    timeoutMs: number,
  ): Promise<OperationOutcome | { readonly type: "timeout" }> {
    const outcome = await this.#attempt(origin, operation, timeoutMs);
    return outcome === TOO_LATE ? { type: "timeout" } : outcome;
  }

  async #takeUntilAnswered(origin: string, to: EnvelopePosition, operation: ServerOperation, timeoutMs: number) {
    const outcome = await this.#attempt(origin, operation, timeoutMs);
    if (outcome !== TOO_LATE) await this.#answer(origin, to, outcome);
  }

  async #attempt(
    origin: string,
    operation: ServerOperation,
    timeoutMs: number,
  ): Promise<OperationOutcome | typeof TOO_LATE> {
    if (this.#running >= this.#options.max) return { type: "refused", code: "pending-limit" };
    this.#running++;
    try {
      const outcome = this.#options.carryOut(operation, origin);
      if (!(outcome instanceof Promise)) return checked(outcome);
      // A handler that never settles occupies one of the `max` places only as long as the requester waits.
      const timely = await within(outcome, timeoutMs, (): typeof TOO_LATE => TOO_LATE);
      return timely === TOO_LATE ? timely : checked(timely);
    } catch (error) {
      if (!isCmError(error)) this.#options.onFault(error, "handler");
      return { type: "refused", code: isCmError(error) ? error.code : "internal" };
    } finally {
      this.#running--;
    }
  }

  async #answer(serverId: string, to: EnvelopePosition, outcome: OperationOutcome): Promise<void> {
    try {
      await this.#options.answer(serverId, to, outcome);
    } catch (cause) {
      this.#options.onFault(cause, "bus");
    }
  }
}

function checked(outcome: OperationOutcome): OperationOutcome {
  if (outcome.type !== "done" || outcome.body.length <= QUESTION_MAX_BYTES) return outcome;
  throw new CmError("payload-too-large", `An answer is larger than ${QUESTION_MAX_BYTES} bytes.`);
}
