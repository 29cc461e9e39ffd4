import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeHeapSnapshot } from "node:v8";
import { expect, it, onTestFinished } from "vitest";
import { grownBytes, readBytesByConstructor } from "./heap-breakdown.js";

class Held {
  readonly first = {};
  readonly second = {};
}

async function snapshot() {
  const file = writeHeapSnapshot(join(tmpdir(), `cm-bench-test-${process.pid}-${performance.now()}.heapsnapshot`));
  onTestFinished(() => rm(file));
  return readBytesByConstructor(file);
}

it("finds the objects that were added, by their constructor", { timeout: 120_000 }, async () => {
  const before = await snapshot();
  const held = Array.from({ length: 10_000 }, () => new Held());
  const grown = grownBytes(before, await snapshot(), held.length, 20);
  expect(grown.Held).toBeGreaterThanOrEqual(20);
  expect(grown.Held).toBeLessThan(100);
});

it("keeps the largest parts that grew by at least a byte each", () => {
  const [before, after] = [
    { Map: 100, Set: 50 },
    { Map: 300, Set: 60, Array: 500, "(string)": 130 },
  ];
  expect(grownBytes(before, after, 10, 2)).toEqual({ Array: 50, Map: 20 });
  expect(grownBytes(before, after, 10, 9)).toEqual({ Array: 50, Map: 20, "(string)": 13, Set: 1 });
});
