/**
 * Maximum number of codes that are counted separately. All other codes share one count, so that codes sent by
 * servers cannot exhaust the driver's memory.
 */
const CODES_MAX = 100;

/** Counts by code, in bounded memory. */
export class CodeCounts {
  readonly #counts = new Map<string, number>();

  add(code: string): void {
    const key = this.#counts.has(code) || this.#counts.size < CODES_MAX ? code.slice(0, 64) : "other";
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  toRecord(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }
}
