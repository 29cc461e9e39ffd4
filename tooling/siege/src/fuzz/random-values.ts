/** A reproducible source of random numbers: the same seed gives the same run. */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** An integer from 0 to `below` - 1. */
  below(below: number): number {
    // Mulberry32.
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  }

  of<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T; // The lists passed to it are not empty.
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }

  /** A copy of the bytes with some of them changed or added, or with the end cut off. */
  damaged(bytes: Buffer): Buffer {
    const copy = Buffer.from(bytes);
    switch (this.below(5)) {
      case 0:
        return copy.subarray(0, this.below(copy.length + 1));
      case 1:
        return Buffer.concat([copy, this.bytes(this.below(40))]);
      case 2: {
        const at = this.below(copy.length + 1);
        return Buffer.concat([copy.subarray(0, at), this.bytes(1 + this.below(4)), copy.subarray(at)]);
      }
      default:
        for (let flips = 1 + this.below(4); flips > 0 && copy.length > 0; flips--) {
          copy[this.below(copy.length)] = this.below(256);
        }
        return copy;
    }
  }
}

/** Values that have broken parsers, to be used in any field. */
export const ODD_VALUES: readonly unknown[] = [
  ...[null, true, 0, -1, 1e308, 2 ** 53, 0.1, "", " ", "\u0000", "\ud800", "é".repeat(128), "x".repeat(256)],
  ...[
    "__proto__",
    "constructor",
    "a.b0000",
    "gw.aaaa00",
    [],
    [[]],
    {},
    { length: 1 },
    { toString: 1 },
    { __proto__: null },
  ],
];
