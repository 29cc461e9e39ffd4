/** Prints one line for each run, with the number of runs that are left. */
export class Progress {
  readonly #total: number;
  readonly #startedAt = performance.now();
  #done = 0;

  constructor(total: number) {
    this.#total = total;
  }

  /** Prints the line of a run that is done. */
  done(summary: string): void {
    this.#done++;
    const minutes = ((performance.now() - this.#startedAt) / 60_000).toFixed(1);
    console.error(`[${this.#done} of ${this.#total}, ${minutes} min] ${summary}`);
  }

  /** Prints the line of a run that repeats the previous one, because that one was disturbed. */
  repeated(summary: string): void {
    console.error(`  again: ${summary}`);
  }
}
