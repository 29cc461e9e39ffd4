import {
  CmError,
  ERROR_CODES,
  type ErrorCode,
  encodeServerFrame,
  isClientErrorCode,
  isCmError,
  type Ref,
  type ServerFrame,
  toCmError,
} from "@cm/protocol";

/** Requests of one connection that may wait for the store or the bus at a time. */
const MAX_PENDING = 256;

/**
 * Faults of the service: their messages are for its operator, and may name keys and
 * servers. Clients get the code and what it means, the log gets the rest.
 */
const INTERNAL: ReadonlySet<ErrorCode> = new Set(["internal", "layout-mismatch", "lease-lost", "store-corrupt"]);

/** What some acknowledgements say beside that. */
export type AckDetails = Omit<Extract<ServerFrame, { type: "ack" }>, "type" | "ref">;

const NO_DETAILS: AckDetails = Object.freeze({});

/** What one client is answered, and how many of its requests are still to be. */
export class Answers {
  readonly #sendText: (text: string) => void;
  readonly #onFault: (error: unknown) => void;
  #pending = 0;

  constructor(sendText: (text: string) => void, onFault: (error: unknown) => void) {
    this.#sendText = sendText;
    this.#onFault = onFault;
  }

  /** Sends a frame; one that answers a request carries its reference. */
  send(frame: ServerFrame, ref: Ref | undefined): void {
    this.#sendText(encodeServerFrame(ref === undefined ? frame : { ...frame, ref }));
  }

  /** Says that a request was carried out, to a client that asked to be told. */
  ack(ref: Ref | undefined, more: AckDetails = NO_DETAILS): void {
    if (ref !== undefined) this.#sendText(encodeServerFrame({ type: "ack", ref, ...more }));
  }

  /**
   * Says that a request was not carried out; details of what is not the client's business go
   * to the log. An error that only programs meet is a fault of the server to a client.
   */
  refuse(cause: unknown, ref: Ref | undefined): void {
    const error = toCmError(cause, "internal", "The server failed; the fault is logged there.");
    const code = isClientErrorCode(error.code) ? error.code : "internal";
    const { retryable } = ERROR_CODES[code];
    const isInternal = INTERNAL.has(code);
    if (isInternal) this.#onFault(cause);
    // One that was wrapped here says no more than that.
    const message = isInternal && isCmError(cause) ? ERROR_CODES[code].meaning : error.message;
    this.send({ type: "error", code, message, retryable }, ref);
  }

  /** Carries out a request that has to wait for something; refuses it where too many do, or where it fails. */
  async wait(ref: Ref | undefined, request: () => Promise<void>): Promise<void> {
    if (!this.#admit(ref)) return;
    try {
      await request();
    } catch (error) {
      this.refuse(error, ref);
    } finally {
      this.#pending--;
    }
  }

  /** As {@link wait}, with an acknowledgement when it was carried out: the short way, for every message. */
  ackAfter(ref: Ref | undefined, request: () => Promise<unknown>): void {
    if (!this.#admit(ref)) return;
    request().then(
      () => {
        this.#pending--;
        this.ack(ref);
      },
      (error: unknown) => {
        this.#pending--;
        this.refuse(error, ref);
      },
    );
  }

  #admit(ref: Ref | undefined): boolean {
    if (this.#pending >= MAX_PENDING) {
      this.refuse(new CmError("pending-limit", "Too many requests are waiting for an answer."), ref);
      return false;
    }
    this.#pending++;
    return true;
  }
}
