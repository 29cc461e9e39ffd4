/**
 * Creates versions that always grow: the clock's time in microseconds, or the last version plus one. A new version
 * is therefore also greater than versions that were forgotten.
 */
export class Versions {
  readonly #now: () => number;
  #last = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  next(): number {
    this.#last = Math.max(this.#last + 1, this.#now() * 1_000);
    return this.#last;
  }
}

/** Returns the JSON text of a change. `metadata` and `replaced` are JSON text already. */
export function changeText(fields: object, metadata: string | undefined, replaced?: string): string {
  const said = metadata === undefined ? "" : `,"metadata":${metadata}`;
  const before = replaced === undefined ? "" : `,"replaced":${replaced}`;
  return `${JSON.stringify(fields).slice(0, -1)}${said}${before}}`;
}
