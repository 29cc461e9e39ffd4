/** Maximum number of pages that are read for one connection at a time. */
const AT_ONCE = 4;

/**
 * The reads of roster pages for one connection, in the order of the requests. What a page costs is known only once
 * it has been read, so all requests that a client sends at once would pass the limits if they were not looked at
 * one after the other.
 */
export class PageReads {
  #running = 0;
  readonly #line: (() => void)[] = [];

  /** Runs `read`, which looks at the limits first, when its turn has come. */
  async inTurn(read: () => Promise<void>): Promise<void> {
    if (this.#running < AT_ONCE) this.#running += 1;
    // The place is handed to the first in line, so that a later request can't overtake it.
    else await new Promise<void>((resolve) => this.#line.push(resolve));
    try {
      await read();
    } finally {
      const next = this.#line.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
