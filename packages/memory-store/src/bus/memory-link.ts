import type { Link, LinkState, LinkStatus } from "@cm/protocol";
import { notStarted } from "@cm/protocol/options";
import { storeClosed } from "@cm/protocol/store";

/** A link that is in sync from the start of its store until the store closes. */
export class MemoryLink implements Link {
  readonly #onThrow: (cause: unknown) => void;
  readonly #listeners = new Set<{ readonly call: (state: LinkState) => void }>();
  /** State changes that not all listeners have been notified of. */
  readonly #pending: LinkState[] = [];
  #isNotifying = false;
  #state: LinkState = "connecting";
  #since = Date.now();

  /** `onThrow` is called with errors that a listener throws, although it must not throw. */
  constructor(onThrow: (cause: unknown) => void) {
    this.#onThrow = onThrow;
  }

  get state(): LinkState {
    return this.#state;
  }

  /**
   * Returns the state, with all counters 0: messages do not leave the process, so there is nothing to count
   * or to probe.
   */
  status(): LinkStatus {
    return {
      state: this.#state,
      since: this.#since,
      lastProbeMs: this.#state === "in-sync" ? 0 : undefined,
      reconnects: 0,
      resubscriptions: 0,
      replacedSubscribers: 0,
      timedOutCommands: 0,
      refusedCommands: 0,
    };
  }

  onState(listener: (state: LinkState) => void): () => void {
    const entry = { call: listener };
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  /** Throws `closed` if the store was closed before. */
  open(): void {
    if (this.#state === "closed") throw storeClosed();
    this.#become("in-sync");
  }

  close(): void {
    this.#become("closed");
  }

  /** Throws `closed` before `open` and after `close`. */
  requireOpen(call: string): void {
    if (this.#state === "in-sync") return;
    throw this.#state === "closed" ? storeClosed() : notStarted(call);
  }

  #become(state: LinkState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#since = Date.now();
    this.#pending.push(state);
    // If a listener causes the next change, all listeners must get the present one first.
    if (!this.#isNotifying) this.#notify();
  }

  #notify(): void {
    this.#isNotifying = true;
    for (let state = this.#pending.shift(); state !== undefined; state = this.#pending.shift()) {
      for (const entry of [...this.#listeners]) {
        if (!this.#listeners.has(entry)) continue;
        try {
          entry.call(state);
        } catch (cause) {
          this.#onThrow(cause);
        }
      }
    }
    this.#isNotifying = false;
  }
}
