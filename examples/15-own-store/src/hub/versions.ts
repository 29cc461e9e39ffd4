/** A greater version each time, also over what was forgotten: microseconds of the clock, or one more. */
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

/** The text of a change: its fields, and metadata that is JSON text already. */
export function changeText(fields: object, metadata: string | undefined, replaced?: string): string {
  const said = metadata === undefined ? "" : `,"metadata":${metadata}`;
  const before = replaced === undefined ? "" : `,"replaced":${replaced}`;
  return `${JSON.stringify(fields).slice(0, -1)}${said}${before}}`;
}
