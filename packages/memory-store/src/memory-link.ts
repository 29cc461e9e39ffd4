import { CmError, type Link, type LinkState } from "@cm/protocol";

/** A link that is up from the start of its store to its end. */
export class MemoryLink implements Link {
  readonly #listeners = new Set<{ readonly call: (state: LinkState) => void }>();
  #state: LinkState = "connecting";

  get state(): LinkState {
    return this.#state;
  }

  onState(listener: (state: LinkState) => void): () => void {
    const entry = { call: listener };
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  /** `closed` where the store was closed before. */
  open(): void {
    if (this.#state === "closed") throw new CmError("closed", "The store was closed; make a new one.");
    this.#become("in-sync");
  }

  close(): void {
    this.#become("closed");
  }

  /** `closed` outside of `open` and `close`. */
  requireOpen(): void {
    if (this.#state !== "in-sync") throw new CmError("closed", "The store was closed, or never started.");
  }

  #become(state: LinkState): void {
    if (state === this.#state) return;
    this.#state = state;
    for (const { call } of [...this.#listeners]) call(state);
  }
}
