import type { Duplex } from "node:stream";

/**
 * Collects the writes to a socket within one turn of the event loop, so that they take one system call. One read
 * from Redis often contains several messages for the same members.
 */
export class TurnWrites {
  readonly #wrote: () => void;
  #corked: Duplex[] = [];

  /** `wrote` is called once for each socket that is written to in a turn. */
  constructor(wrote: () => void) {
    this.#wrote = wrote;
  }

  /** Must be called before a write. The socket is written to at the end of the turn. */
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
