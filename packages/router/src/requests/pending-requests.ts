import { CmError, type EnvelopePosition, type OperationOutcome } from "@cm/protocol";

/** The outcome of a request to another server. */
export type Answer = OperationOutcome | { readonly type: "timeout" };

const NOT_FOUND: Answer = { type: "not-found" };
const TIMEOUT: Answer = { type: "timeout" };

/** A request that waits for its answer. */
export interface PendingRequest {
  /** Settles at the deadline at the latest. */
  readonly answer: Promise<Answer>;
  /** Settles with `not-found`: no server received the request. */
  nobody(): void;
  /** The request could not be sent. */
  fail(error: unknown): void;
}

interface Waiting {
  readonly serverId: string;
  readonly settle: (answer: Answer) => void;
  readonly fail: (error: unknown) => void;
}

/**
 * The requests of this server that wait for an answer. A request is identified by the server it
 * was sent to and by its position on that server's channel, so only the server that was asked can
 * answer it.
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

  /** Throws `pending-limit` where there is no room for this many more, `closed` after `close`. */
  requireRoom(count: number): void {
    if (this.#closed) throw new CmError("closed", "The router was closed.");
    if (this.#waiting.size + count > this.#max) {
      throw new CmError("pending-limit", "Too many requests to other servers are waiting for an answer.", {
        details: { max: this.#max },
      });
    }
  }

  /** Waits for an answer. The caller has checked `requireRoom`. */
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
    return { answer, nobody: () => waiting?.settle(NOT_FOUND), fail: (error) => waiting?.fail(error) };
  }

  /** Takes an answer; false where it is not (or no longer) waited for. The body is copied. */
  take(serverId: string, to: EnvelopePosition, outcome: OperationOutcome): boolean {
    const waiting = this.#waiting.get(keyOf(serverId, to));
    waiting?.settle(outcome.type === "done" ? { type: "done", body: outcome.body.slice() } : outcome);
    return waiting !== undefined;
  }

  /** A server is gone: what it was asked is answered with `not-found`. */
  lost(serverId: string): void {
    for (const waiting of [...this.#waiting.values()]) if (waiting.serverId === serverId) waiting.settle(NOT_FOUND);
  }

  /** Fails what waits with `closed`. */
  close(): void {
    this.#closed = true;
    for (const { fail } of [...this.#waiting.values()]) fail(new CmError("closed", "The router was closed."));
  }
}

/** Server ids have no space. */
function keyOf(serverId: string, { epoch, sequence }: EnvelopePosition): string {
  return `${serverId} ${epoch} ${sequence}`;
}
