/** Maximum number of roster pages that are read at a time, for one connection and for all connections of a server. */
export const PAGES_AT_ONCE = { connection: 4, server: 16 } as const;

/**
 * Limits how many roster pages are read at a time; the other reads wait in the order of the requests. The cost of a
 * page is known only after it has been read: if all requests that a client sends at once were read together, none
 * would be refused by the limits. A page of 1,000 members takes milliseconds, so the pages of many clients must not
 * all be handled in one turn of the event loop.
 */
export class PageReads {
  #free: number;
  readonly #line: (() => void)[] = [];

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  /**
   * Runs `read` when all earlier reads have started and fewer than `atOnce` are running. `read` must check the
   * limits of the connection itself.
   */
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
