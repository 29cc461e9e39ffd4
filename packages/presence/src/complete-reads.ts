import { setImmediate as endOfTurn, setTimeout as sleep } from "node:timers/promises";
import { CmError } from "@cm/protocol";
import { presenceClosed } from "./presence-closed.js";

/**
 * Maximum time that a read waits for the store to be complete, in milliseconds: slightly more than the 5 s within
 * which, by default, each server of a node's cluster notices that the store lost its entries.
 */
const WAIT_MAX_MS = 6_000;

/** Time between two questions whether the store is complete again, in milliseconds. */
const PAUSE_MS = 100;

/** Options of a read that must not be answered in part. */
export interface CompleteReadOptions {
  /** How long the read waits for the store to be complete, in milliseconds. Default 6,000; 0: not at all. */
  readonly waitMs?: number | undefined;
}

/**
 * Reads of a store that may have lost its data, or in which leases may have expired. Such a read is repeated once all
 * servers have written their entries again, so that no caller gets a part for the whole.
 */
export class CompleteReads {
  readonly #isComplete: (() => Promise<boolean>) | undefined;
  readonly #closed = new AbortController();
  #next: Promise<boolean> | undefined;

  /** Without `isComplete`, every read is believed. */
  constructor(isComplete: (() => Promise<boolean>) | undefined) {
    this.#isComplete = isComplete;
  }

  /** Resolves with the result of a read that was complete. Rejects with `unavailable` if there was none in time. */
  async run<T>(read: () => Promise<T>, { waitMs = WAIT_MAX_MS }: CompleteReadOptions = {}): Promise<T> {
    const isComplete = this.#isComplete;
    if (isComplete === undefined) return read();
    const deadline = performance.now() + waitMs;
    for (;;) {
      let isRead = false;
      // Ask in the same write as the read. The store answers in order, so an answer of the turn in which the read
      // ended, or of a later one, concerns the read. A read of several round trips ends after the answer: ask again.
      const [result, [answer, isLater]] = await Promise.all([
        read().finally(() => {
          isRead = true;
        }),
        isComplete().then(async (complete) => {
          await endOfTurn();
          return [complete, isRead] as const;
        }),
      ]);
      if (answer && (isLater || (await isComplete()))) return result;
      do {
        if (performance.now() >= deadline) {
          throw new CmError("unavailable", "The store lacks entries at the moment, which servers are writing again.");
        }
      } while (!(await this.#ask(isComplete)));
    }
  }

  /** Ends all waits with `closed`. */
  close(): void {
    this.#closed.abort();
  }

  /** Asks after a pause. All reads that wait share the question. */
  #ask(isComplete: () => Promise<boolean>): Promise<boolean> {
    this.#next ??= sleep(PAUSE_MS, undefined, { signal: this.#closed.signal, ref: false })
      .then(isComplete, () => {
        throw presenceClosed();
      })
      .finally(() => {
        this.#next = undefined;
      });
    return this.#next;
  }
}
