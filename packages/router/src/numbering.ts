/** A position in one numbering. */
export interface Position {
  readonly epoch: number;
  readonly sequence: number;
}

interface Numbering {
  readonly epoch: number;
  last: number;
}

/**
 * The numbers that this server gives to what it publishes, one row a channel. The
 * number of rows is bounded: the oldest is forgotten, and a channel that was forgotten
 * begins again at 1 under another epoch, which receivers take for a new beginning.
 */
export class Numberings {
  readonly #rows = new Map<string, Numbering>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#rows.size;
  }

  next(channel: string): Position {
    let row = this.#rows.get(channel);
    if (row === undefined) {
      if (this.#rows.size >= this.#max) this.#forgetOldest();
      // Random and not a clock: a server that restarts under its old id must not
      // repeat an epoch, or its first messages would pass for duplicates.
      row = { epoch: crypto.getRandomValues(new Uint32Array(1))[0] ?? 0, last: 0 };
      this.#rows.set(channel, row);
    }
    row.last++;
    return { epoch: row.epoch, sequence: row.last };
  }

  #forgetOldest(): void {
    for (const channel of this.#rows.keys()) {
      this.#rows.delete(channel);
      return;
    }
  }
}
