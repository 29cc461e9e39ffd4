import type { Duplex } from "node:stream";

/**
 * Collects what is written within one turn of the event loop, so that a socket gets it in one
 * system call: a chunk from Redis often holds several messages for the same members.
 */
export class TurnWrites {
  readonly #wrote: () => void;
  #corked: Duplex[] = [];

  /** `wrote` is called for each socket that is written to in a turn. */
  constructor(wrote: () => void) {
    this.#wrote = wrote;
  }

  /** Call it before a write. The socket is written to when the turn is over. */
  hold(stream: Duplex): void {
    if (stream.writableCorked > 0) return;
    this.#wrote();
    stream.cork();
    if (this.#corked.push(stream) === 1) process.nextTick(() => this.#release());
  }

  #release(): void {
    const corked = this.#corked;
    this.#corked = [];
    for (const stream of corked) stream.uncork();
  }
}
