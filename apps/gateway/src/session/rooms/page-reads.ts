/** Maximum number of roster pages that are read at a time, for one connection and for all of a server. */
export const PAGES_AT_ONCE = { connection: 4, server: 16 } as const;

/**
 * The reads of roster pages, in the order of the requests. What a page costs is known only once it has been read, so
 * all requests that a client sends at once would pass the limits if they were not looked at one after the other.
 * And a page of 1,000 members takes milliseconds: the pages of many clients must not all be handled in one turn.
 */
export class PageReads {
  #free: number;
  readonly #line: (() => void)[] = [];

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  /** Runs `read`, which looks at the limits first, when its turn has come. */
  async inTurn(read: () => Promise<void>): Promise<void> {
    if (this.#free > 0) this.#free -= 1;
    // The place is handed to the first in line, so that a later request can't overtake it.
    else await new Promise<void>((resolve) => this.#line.push(resolve));
    try {
      await read();
    } finally {
      const next = this.#line.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}
