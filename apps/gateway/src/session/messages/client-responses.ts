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
import type { FaultCounter, TransportConnection } from "@cm/transport";
import type { LimitCounter } from "../../limits/limit-counter.js";

/** Maximum number of a connection's requests that wait for the store or the bus. */
const MAX_PENDING = 256;

/**
 * Created once: recording the call stack of an error takes longer than all else that a refusal costs, and a client may
 * be refused thousands of requests a second.
 */
const PENDING_LIMIT = new CmError("pending-limit", "Too many requests are waiting for an answer.");

/**
 * Codes of server faults. The messages of these errors are meant for the operator and may contain keys and
 * servers: clients get only the code and its meaning, and the rest goes to the log.
 */
const INTERNAL: ReadonlySet<ErrorCode> = new Set(["internal", "layout-mismatch", "lease-lost", "store-corrupt"]);

/**
 * Codes of failures that come from the store, the bus or another server. The message names the part that failed, and
 * for Redis the reason, such as a missing permission: clients get only the code's meaning. A hook's refusal with such
 * a code is the application's own message to its clients.
 */
const STORE_FAILURES: ReadonlySet<ErrorCode> = new Set(["unavailable", "timeout", "closed"]);

/** Additional fields of some acknowledgements. */
export type AckDetails = Omit<Extract<ServerFrame, { type: "ack" }>, "type" | "ref">;

const NO_DETAILS: AckDetails = Object.freeze({});

/** What {@link ClientResponses} reports. */
export interface ResponseEvents {
  /** Receives errors whose details the client is not sent. */
  readonly onFault: (error: unknown) => void;
  /** Counts the requests and frames that are answered with an error, by the code that the client is sent. */
  readonly refused: Pick<FaultCounter, "count">;
  readonly reached: LimitCounter;
}

/** The part of the client's socket that responses need. A closed one sends nothing. */
export type ResponseSocket = Pick<TransportConnection<unknown>, "send">;

/** Sends responses to one client, and limits the number of its requests in progress. */
export class ClientResponses {
  readonly #socket: ResponseSocket;
  readonly #events: ResponseEvents;
  #pending = 0;

  constructor(socket: ResponseSocket, events: ResponseEvents) {
    this.#socket = socket;
    this.#events = events;
  }

  /** Sends a frame. `ref` is the reference of the request that it responds to, if any. */
  send(frame: ServerFrame, ref: Ref | undefined): void {
    this.#socket.send(encodeServerFrame(ref === undefined ? frame : { ...frame, ref }));
  }

  /** Acknowledges a request that was carried out, if the client gave it a reference. */
  ack(ref: Ref | undefined, more: AckDetails = NO_DETAILS): void {
    if (ref !== undefined) this.#socket.send(encodeServerFrame({ type: "ack", ref, ...more }));
  }

  /**
   * Sends an error to the client because its request was not carried out. Details that do not concern the
   * client go to the log. A code that is not meant for clients is reported as `internal`.
   */
  refuse(cause: unknown, ref: Ref | undefined): void {
    const error = toCmError(cause, "internal", "The server failed; the error is in its log.");
    const code = isClientErrorCode(error.code) ? error.code : "internal";
    const { retryable } = ERROR_CODES[code];
    this.#events.refused.count(code);
    const isInternal = INTERNAL.has(code);
    const isFromStore = STORE_FAILURES.has(code) && typeof error.details?.hook !== "string";
    if (isInternal || (isFromStore && hasFailureAsCause(error))) this.#events.onFault(cause);
    // Replace the message of such an error by the meaning of its code. The message of an error that was wrapped
    // here can be sent: it contains no details.
    const message = (isInternal || isFromStore) && isCmError(cause) ? ERROR_CODES[code].meaning : error.message;
    this.send({ type: "error", code, message, retryable }, ref);
  }

  /** Carries out an asynchronous request. Refuses it if too many are in progress, or if it rejects. */
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

  /**
   * Same as {@link wait}, with an acknowledgement after success. Avoids an async function, because it runs for
   * every message.
   */
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
      this.refuse(this.pendingLimit(), ref);
      return false;
    }
    this.#pending++;
    return true;
  }

  /** Returns the error for a request that is refused because too many are waiting, and counts it. */
  pendingLimit(): CmError {
    this.#events.reached.count("pending");
    return PENDING_LIMIT;
  }
}

/**
 * Whether an error has another error as its cause that the operator needs to see, such as an error reply of Redis. An
 * error without a cause, such as that of a link that is down, is reported where it arises.
 */
function hasFailureAsCause({ cause }: CmError): boolean {
  return cause !== undefined && (!isCmError(cause) || STORE_FAILURES.has(cause.code));
}
