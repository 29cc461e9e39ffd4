import { CmError, isCmError } from "@cm/protocol";
import { replyCode, storeClosed, storeTimeout, storeUnanswered } from "../errors/store-error.js";
import type { LinkCounters } from "../link/redis-link.js";
import { type Deadline, Deadlines } from "./deadlines.js";

/** Sends one command; answers with the promise of its reply. */
export type Ask = () => unknown;

/** How a {@link CommandGate} works. */
export interface CommandGateOptions {
  readonly commandTimeoutMs: number;
  /** The most commands that wait for the connection or for an answer. */
  readonly maxPendingCommands: number;
  /** Whether there is a connection to send with. */
  readonly isOpen: () => boolean;
  readonly counters: Pick<LinkCounters, "timedOutCommands" | "refusedCommands">;
}

/**
 * The most bytes of messages that wait for an answer: a connection that takes nothing any
 * more must not keep a gigabyte of large messages. 64 MiB is what a gigabit link carries
 * in half a second; a caller with more under way is not served by waiting.
 */
const PENDING_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Room for commands of leases beside that for all others: a server's work must not keep its
 * own heartbeat from Redis. There are a few at a time, and a bound all the same.
 */
const RESERVED_FOR_LEASES = 100;

/** One command on its way. */
interface Call {
  readonly ask: Ask;
  readonly bytes: number;
  readonly deadline: Deadline;
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: unknown) => void;
  isSent: boolean;
}

/**
 * What every command passes: it has a deadline, from the call on; `maxPendingCommands` are
 * pending at most; and while there is no connection it waits in line, or fails. The client's own
 * queues have neither bound nor deadline, so nothing is given to them.
 */
export class CommandGate {
  readonly #options: CommandGateOptions;
  readonly #deadlines: Deadlines;
  readonly #line = new Set<Call>();
  #pending = 0;
  #pendingBytes = 0;
  #closed = false;

  constructor(options: CommandGateOptions) {
    this.#options = options;
    this.#deadlines = new Deadlines(options.commandTimeoutMs);
  }

  /** Whether there is a connection to send with. */
  get isOpen(): boolean {
    return this.#options.isOpen();
  }

  /** Sends now; `unavailable` where there is no connection, or too much is under way. */
  now(ask: Ask, bytes = 0): Promise<unknown> {
    const refusal = this.#refusal(bytes) ?? (this.isOpen ? undefined : away());
    return refusal === undefined ? this.#begin(ask, bytes) : Promise.reject(refusal);
  }

  /**
   * Sends as soon as there is a connection; `unavailable` where there is none in time. What
   * concerns a lease has room of its own.
   */
  whenOpen(ask: Ask, isOfLease = false): Promise<unknown> {
    const refusal = this.#refusal(0, isOfLease ? RESERVED_FOR_LEASES : 0);
    return refusal === undefined ? this.#begin(ask, 0) : Promise.reject(refusal);
  }

  /** There may be a connection: whatever waits in line goes out, in the order of the calls. */
  opened(): void {
    if (!this.isOpen) return;
    const waiting = [...this.#line];
    this.#line.clear();
    for (const call of waiting) this.#send(call);
  }

  /** From now on every command fails with `closed`, those in line first. */
  close(): void {
    this.#closed = true;
    for (const call of [...this.#line]) this.#fail(call, storeClosed());
  }

  #refusal(bytes: number, reserved = 0): CmError | undefined {
    if (this.#closed) return storeClosed();
    const { maxPendingCommands, counters } = this.#options;
    const isFull = this.#pending >= maxPendingCommands + reserved;
    // One message of whatever size may always be under way.
    const isHeavy = this.#pendingBytes > 0 && this.#pendingBytes + bytes > PENDING_BYTES_MAX;
    if (!isFull && !isHeavy) return undefined;
    counters.refusedCommands++;
    const why = isFull ? `${this.#pending} commands` : `${this.#pendingBytes} bytes`;
    return new CmError("unavailable", `Redis is too far behind: ${why} are waiting already.`);
  }

  #begin(ask: Ask, bytes: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const deadline = this.#deadlines.add(() => this.#expire(call));
      const call: Call = { ask, bytes, deadline, resolve, reject, isSent: false };
      this.#pending++;
      this.#pendingBytes += bytes;
      if (this.isOpen) this.#send(call);
      else this.#line.add(call);
    });
  }

  #send(call: Call): void {
    call.isSent = true;
    Promise.resolve(call.ask()).then(
      (reply) => {
        this.#settle(call);
        call.resolve(reply);
      },
      // What was written to the socket may have been carried out, unless Redis answered that it was not.
      (error) => this.#fail(call, isAnswered(error) ? error : storeUnanswered(error)),
    );
  }

  /** One that was sent counts until the client is rid of it, however long its caller waits. */
  #expire(call: Call): void {
    if (!call.isSent) {
      this.#fail(call, away());
      return;
    }
    this.#options.counters.timedOutCommands++;
    call.reject(storeTimeout(this.#options.commandTimeoutMs));
  }

  #fail(call: Call, error: unknown): void {
    this.#line.delete(call);
    this.#settle(call);
    call.reject(error);
  }

  #settle(call: Call): void {
    call.deadline.clear();
    this.#pending--;
    this.#pendingBytes -= call.bytes;
  }
}

/** Whether Redis itself answered, or it is certain that nothing was written to it. */
function isAnswered(error: unknown): boolean {
  return isCmError(error) || replyCode(error) !== undefined || isUnreached(error);
}

/** Whether a Cluster client found no node to write to. */
function isUnreached(error: unknown): boolean {
  return error instanceof Error && error.name === "ClusterAllFailedError";
}

function away(): CmError {
  return new CmError("unavailable", "Redis can't be reached.");
}
