import {
  CmError,
  type EnvelopePosition,
  isCmError,
  type OperationOutcome,
  QUESTION_MAX_BYTES,
  type ServerOperation,
} from "@cm/protocol";
import { within } from "./deadline.js";

/** Carries an operation out. Bytes in it are only valid during the call. May throw. */
export type CarryOut = (operation: ServerOperation, origin: string) => OperationOutcome | Promise<OperationOutcome>;

/** What {@link IncomingRequests} needs. */
export interface IncomingRequestsOptions {
  readonly carryOut: CarryOut;
  readonly answer: (serverId: string, to: EnvelopePosition, outcome: OperationOutcome) => Promise<void>;
  /** The most operations under way at a time. */
  readonly max: number;
  /** A fault of a handler, or an answer that could not be sent. */
  readonly onFault: (cause: unknown, stage: "handler" | "bus") => void;
}

const TOO_LATE = Symbol("too late");

/** What other servers ask of this one: each request is carried out once and answered, within the time it is of use. */
export class IncomingRequests {
  readonly #options: IncomingRequestsOptions;
  #running = 0;

  constructor(options: IncomingRequestsOptions) {
    this.#options = options;
  }

  /** Carries out a request of another server, and answers it. */
  take(origin: string, to: EnvelopePosition, operation: ServerOperation, timeoutMs: number): void {
    void this.#takeUntilAnswered(origin, to, operation, timeoutMs);
  }

  /** Refuses a request that can't be carried out. */
  refuse(origin: string, to: EnvelopePosition, error: CmError): void {
    void this.#answer(origin, to, { type: "refused", code: error.code });
  }

  /**
   * Carries an operation out for this very server. Settles within the time, with
   * `timeout` where that was not enough; never fails.
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
      // A handler that never ends holds its place only as long as its answer is waited for.
      const timely = await within<OperationOutcome | typeof TOO_LATE>(outcome, timeoutMs, () => TOO_LATE);
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
