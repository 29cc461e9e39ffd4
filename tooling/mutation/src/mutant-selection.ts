import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Mutant } from "./mutant.js";
import { mutationsOf } from "./mutations.js";

/** Every mutation of every product source of the packages. */
export function allMutants(root: string, packages: readonly string[]): readonly Mutant[] {
  return packages.flatMap((name) =>
    productSources(root, name).flatMap((file) =>
      mutationsOf(file, readFileSync(join(root, file), "utf8")).map((mutation) => ({ file, mutation })),
    ),
  );
}

/** The packages with product sources; contract-tests is excluded, because it consists of tests. */
export function productPackages(root: string): readonly string[] {
  return readdirSync(join(root, "packages")).filter((name) => name !== "contract-tests");
}

/** `count` of the items in a random order that depends on the seed. */
export function sampleOf<T>(all: readonly T[], count: number, seed: number): readonly T[] {
  const rest = [...all];
  const random = numbersFrom(seed);
  const chosen: T[] = [];
  while (chosen.length < count && rest.length > 0) chosen.push(...rest.splice(Math.floor(random() * rest.length), 1));
  return chosen;
}

function productSources(root: string, name: string): readonly string[] {
  const dir = join("packages", name, "src");
  return readdirSync(join(root, dir), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !/\.(test|fixture|generated|test-d)\.ts$/.test(file))
    .sort()
    .map((file) => join(dir, file));
}

/** Mulberry32: the same numbers for the same seed, on every machine. */
function numbersFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
