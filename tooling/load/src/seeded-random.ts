/**
 * Returns a generator of uniformly distributed numbers in [0, 1), which are the same for the same seed: a
 * Weyl sequence with a mixing function.
 */
export function createSeededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    // The step is 2^32 divided by the golden ratio; the factors are those of the MurmurHash3 finalizer.
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
  };
}
