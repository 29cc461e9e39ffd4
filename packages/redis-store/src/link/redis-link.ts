import type { Link, LinkState, LinkStatus } from "@cm/protocol";

/** Counters over the lifetime of a link; see `LinkStatus`. */
export interface LinkCounters {
  reconnects: number;
  resubscriptions: number;
  replacedSubscribers: number;
  timedOutCommands: number;
  refusedCommands: number;
}

/** The state of the link, and its listeners. */
export class RedisLink implements Link {
  readonly counters: LinkCounters = {
    reconnects: 0,
    resubscriptions: 0,
    replacedSubscribers: 0,
    timedOutCommands: 0,
    refusedCommands: 0,
  };
  readonly #lastProbeMs: () => number | undefined;
  readonly #onThrow: (cause: unknown) => void;
  readonly #listeners = new Set<{ readonly call: (state: LinkState) => void }>();
  /** State changes that not all listeners have been notified of. */
  readonly #pending: LinkState[] = [];
  #isNotifying = false;
  #state: LinkState = "connecting";
  #since = Date.now();

  constructor(lastProbeMs: () => number | undefined, onThrow: (cause: unknown) => void) {
    this.#lastProbeMs = lastProbeMs;
    this.#onThrow = onThrow;
  }

  get state(): LinkState {
    return this.#state;
  }

  status(): LinkStatus {
    return { state: this.#state, since: this.#since, lastProbeMs: this.#lastProbeMs(), ...this.counters };
  }

  onState(listener: (state: LinkState) => void): () => void {
    // The listener is wrapped, so that one function may be added twice, and each addition removed separately.
    const entry = { call: listener };
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  /** Changes the state. `closed` is final. */
  become(state: LinkState): void {
    if (state === this.#state || this.#state === "closed") return;
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
