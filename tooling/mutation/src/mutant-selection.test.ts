import { expect, it } from "vitest";
import { allMutants, productPackages, sampleOf } from "./mutant-selection.js";

const ROOT = new URL("../../..", import.meta.url).pathname;
const HUNDRED = Array.from({ length: 100 }, (_, i) => i);

it("draws the same for the same seed, each at most once", () => {
  const sample = sampleOf(HUNDRED, 20, 7);
  expect(sampleOf(HUNDRED, 20, 7)).toEqual(sample);
  expect(new Set(sample).size).toBe(20);
  expect(sampleOf(HUNDRED, 20, 8)).not.toEqual(sample);
  expect([...sampleOf(HUNDRED, 1_000, 7)].sort((a, b) => a - b)).toEqual(HUNDRED);
});

it("draws from the products' sources alone", () => {
  const packages = productPackages(ROOT);
  expect(packages).toContain("router");
  const files = new Set(allMutants(ROOT, packages).map(({ file }) => file));
  expect(files.size).toBeGreaterThan(100);
  expect([...files].filter((file) => /\.(test|fixture|generated)\.ts$|contract-tests/.test(file))).toEqual([]);
});
