import type { Link, LinkState } from "@cm/protocol";

/** The state of the link, told to whoever listens. */
export class RedisLink implements Link {
  readonly #listeners = new Set<(state: LinkState) => void>();
  #state: LinkState = "connecting";

  get state(): LinkState {
    return this.#state;
  }

  onState(listener: (state: LinkState) => void): () => void {
    // Wrapped, so that the same function may be given twice and each taken off by itself.
    const entry = (state: LinkState): void => listener(state);
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

  /** Goes to a state; nothing leaves `closed`. */
  become(state: LinkState): void {
    if (state === this.#state || this.#state === "closed") return;
    this.#state = state;
    for (const listener of [...this.#listeners]) listener(state);
  }
}
