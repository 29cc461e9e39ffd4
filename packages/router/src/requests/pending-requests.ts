import { CmError, type EnvelopePosition, type OperationOutcome } from "@cm/protocol";
import { routerClosed } from "../router-closed.js";

/** The outcome of a request to another server. */
export type Answer = OperationOutcome | { readonly type: "timeout" };

const NOT_FOUND: Answer = { type: "not-found" };
const TIMEOUT: Answer = { type: "timeout" };

/** A request that waits for its response. */
export interface PendingRequest {
  /** The outcome. Settles at the latest when the request's timeout ends. */
  readonly answer: Promise<Answer>;
  /** Settles the request with `not-found`, because no server received it. */
  notDelivered(): void;
  /** Rejects the request, because it could not be sent. */
  fail(error: unknown): void;
}

interface Waiting {
  readonly serverId: string;
  readonly settle: (answer: Answer) => void;
  readonly fail: (error: unknown) => void;
}

/**
 * The requests of this server that wait for a response. A request is identified by the server it was sent to
 * and by its position on that server's channel, so only that server can respond to it.
 */
export class PendingRequests {
  readonly #waiting = new Map<string, Waiting>();
  readonly #max: number;
  #closed = false;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Throws `pending-limit` if there is no capacity for this many more requests, or `closed` after `close`. */
  requireCapacity(count: number): void {
    if (this.#closed) throw routerClosed();
    if (this.#waiting.size + count > this.#max) {
      throw new CmError("pending-limit", "Too many requests to other servers are waiting for an answer.", {
        details: { max: this.#max },
      });
    }
  }

  /** Adds a request that waits for a response. The caller must have called `requireCapacity`. */
  open(serverId: string, position: EnvelopePosition, timeoutMs: number): PendingRequest {
    const key = keyOf(serverId, position);
    let waiting: Waiting | undefined;
    const answer = new Promise<Answer>((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(key);
      };
      const settle = (value: Answer): void => {
        end();
        resolve(value);
      };
      const fail = (error: unknown): void => {
        end();
        reject(error);
      };
      const timer = setTimeout(() => settle(TIMEOUT), timeoutMs);
      waiting = { serverId, settle, fail };
      this.#waiting.set(key, waiting);
    });
    return { answer, notDelivered: () => waiting?.settle(NOT_FOUND), fail: (error) => waiting?.fail(error) };
  }

  /** Settles a request with its response; the body is copied. Returns `false` if no request waits for the response. */
  take(serverId: string, to: EnvelopePosition, outcome: OperationOutcome): boolean {
    const waiting = this.#waiting.get(keyOf(serverId, to));
    waiting?.settle(outcome.type === "done" ? { type: "done", body: outcome.body.slice() } : outcome);
    return waiting !== undefined;
  }

  /** Resolves all requests to this server, which has left the cluster, with `not-found`. */
  lost(serverId: string): void {
    for (const waiting of [...this.#waiting.values()]) if (waiting.serverId === serverId) waiting.settle(NOT_FOUND);
  }

  /** Rejects all waiting requests with `closed`. */
  close(): void {
    this.#closed = true;
    for (const { fail } of [...this.#waiting.values()]) fail(routerClosed());
  }
}

/** Returns the key of a request. It is unambiguous, because server ids contain no space. */
function keyOf(serverId: string, { epoch, sequence }: EnvelopePosition): string {
  return `${serverId} ${epoch} ${sequence}`;
}
