import { CmError, isCmError } from "@cm/protocol";
import { storeClosed } from "@cm/protocol/store";
import { replyCode, storeTimeout, storeUnanswered } from "../errors/store-error.js";
import type { LinkCounters } from "../link/redis-link.js";
import { type Deadline, Deadlines } from "./call-deadlines.js";

/** Sends one command and returns the promise of its reply. */
export type Ask = () => unknown;

/** How {@link PendingCommands} sends one command. */
export interface CallOptions {
  /** Size in bytes of the message that the command carries. Default 0. */
  readonly bytes?: number;
  /** Number of callers that share the command. Default 1. */
  readonly parts?: number;
  /**
   * Sent instead, under the same deadline, if Redis does not know the script that the command runs: the
   * command certainly was not carried out.
   */
  readonly withText?: Ask;
}

/** Options of a {@link PendingCommands}. */
export interface PendingCommandsOptions {
  readonly commandTimeoutMs: number;
  /**
   * Maximum number of commands that wait for the connection or for a reply. A command that several callers share
   * counts once for each; the last command that is accepted may exceed the maximum.
   */
  readonly maxPendingCommands: number;
  /** Whether there is a connection to send with. */
  readonly isOpen: () => boolean;
  readonly counters: Pick<LinkCounters, "timedOutCommands" | "refusedCommands">;
}

/**
 * Maximum total size in bytes of the messages that wait for a reply, so that a connection that accepts no
 * more data does not hold a gigabyte of large messages. 64 MiB is what a gigabit link carries in half a
 * second; waiting does not help a caller that has more in flight.
 */
const PENDING_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Extra capacity for lease commands, so that a server's other commands cannot keep its heartbeat from Redis.
 * Only a few lease commands are pending at a time, but they are bounded as well.
 */
const RESERVED_FOR_LEASES = 100;

/** One command, sent or waiting. */
interface Call {
  readonly ask: Ask;
  readonly withText: Ask | undefined;
  readonly bytes: number;
  readonly parts: number;
  readonly deadline: Deadline;
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: unknown) => void;
  isSent: boolean;
  /** Whether the deadline has passed, so that the caller no longer waits. */
  isOverdue: boolean;
}

/**
 * The gate that every command passes. Each command has a deadline that runs from the call on, at most
 * `maxPendingCommands` are pending, and while there is no connection a command waits in line or fails. The
 * client's own queues have neither a limit nor a deadline, so they are not used.
 */
export class PendingCommands {
  readonly #options: PendingCommandsOptions;
  readonly #deadlines: Deadlines;
  readonly #line = new Set<Call>();
  #pending = 0;
  #pendingBytes = 0;
  #closed = false;

  constructor(options: PendingCommandsOptions) {
    this.#options = options;
    this.#deadlines = new Deadlines(options.commandTimeoutMs);
  }

  /** Whether there is a connection to send with. */
  get isOpen(): boolean {
    return this.#options.isOpen();
  }

  /** Sends the command now. Rejects with `unavailable` if there is no connection, or if too much is pending. */
  now(ask: Ask, options: CallOptions = {}): Promise<unknown> {
    const refusal = this.#refusal(options) ?? (this.isOpen ? undefined : away());
    return refusal === undefined ? this.#begin(ask, options) : Promise.reject(refusal);
  }

  /**
   * Sends the command as soon as there is a connection. Rejects with `unavailable` if there is none in time, or if
   * too much is pending. Lease commands have extra capacity.
   */
  whenOpen(ask: Ask, options: CallOptions & { readonly isOfLease?: boolean } = {}): Promise<unknown> {
    const refusal = this.#refusal(options, options.isOfLease ? RESERVED_FOR_LEASES : 0);
    return refusal === undefined ? this.#begin(ask, options) : Promise.reject(refusal);
  }

  /** Sends all commands that wait in line, in the order of the calls, if there is a connection. */
  opened(): void {
    if (!this.isOpen) return;
    const waiting = [...this.#line];
    this.#line.clear();
    for (const call of waiting) this.#send(call);
  }

  /** Rejects the commands that wait in line, and every later command, with `closed`. */
  close(): void {
    this.#closed = true;
    for (const call of [...this.#line]) this.#fail(call, storeClosed());
  }

  #refusal({ bytes = 0, parts = 1 }: CallOptions, reserved = 0): CmError | undefined {
    if (this.#closed) return storeClosed();
    const { maxPendingCommands, counters } = this.#options;
    const isFull = this.#pending >= maxPendingCommands + reserved;
    // One message of any size may always be in flight.
    const isHeavy = this.#pendingBytes > 0 && this.#pendingBytes + bytes > PENDING_BYTES_MAX;
    if (!isFull && !isHeavy) return undefined;
    counters.refusedCommands += parts;
    const why = isFull ? `${this.#pending} commands` : `${this.#pendingBytes} bytes`;
    return new CmError("unavailable", `Redis is too slow: ${why} are already waiting.`);
  }

  #begin(ask: Ask, { bytes = 0, parts = 1, withText }: CallOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const deadline = this.#deadlines.add(() => this.#expire(call));
      const call: Call = { ask, withText, bytes, parts, deadline, resolve, reject, isSent: false, isOverdue: false };
      this.#pending += parts;
      this.#pendingBytes += bytes;
      if (this.isOpen) this.#send(call);
      else this.#line.add(call);
    });
  }

  #send(call: Call, ask = call.ask): void {
    call.isSent = true;
    Promise.resolve(ask()).then(
      (reply) => {
        this.#settle(call);
        call.resolve(reply);
      },
      (error) => this.#failed(call, error),
    );
  }

  #failed(call: Call, error: unknown): void {
    const { withText } = call;
    if (withText !== undefined && replyCode(error) === "NOSCRIPT" && !call.isOverdue) {
      if (this.isOpen) this.#send(call, withText);
      else this.#fail(call, away());
      return;
    }
    // A command that was written to the socket may have been carried out, unless Redis replied that it was not.
    this.#fail(call, isAnswered(error) ? error : storeUnanswered(error));
  }

  /**
   * Rejects a command whose deadline has passed. If the command was sent, it counts as pending until the
   * client has dropped it, even though its caller no longer waits.
   */
  #expire(call: Call): void {
    if (!call.isSent) {
      this.#fail(call, away());
      return;
    }
    call.isOverdue = true;
    this.#options.counters.timedOutCommands += call.parts;
    call.reject(storeTimeout(this.#options.commandTimeoutMs));
  }

  #fail(call: Call, error: unknown): void {
    this.#line.delete(call);
    this.#settle(call);
    call.reject(error);
  }

  #settle(call: Call): void {
    call.deadline.clear();
    this.#pending -= call.parts;
    this.#pendingBytes -= call.bytes;
  }
}

/** Whether Redis itself replied, or it is certain that nothing was written to it. */
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
