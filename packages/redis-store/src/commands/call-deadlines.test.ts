import { eventually } from "@cm/test-kit";
import { expect, it } from "vitest";
import { Deadlines } from "./call-deadlines.js";

it("expires what was not cleared, in order, each once and not too early", async () => {
  const deadlines = new Deadlines(100);
  const expired: number[] = [];
  const startedAt = performance.now();
  let firstMs = 0;
  const all = Array.from({ length: 10 }, (_, i) =>
    deadlines.add(() => {
      firstMs ||= performance.now() - startedAt;
      expired.push(i);
    }),
  );
  // Clear the first deadline, the last one and some in between, so that every kind of neighbour occurs.
  for (const i of [0, 4, 5, 9, 4]) all[i]?.clear();
  await eventually(() => expect(expired).toEqual([1, 2, 3, 6, 7, 8]));
  expect(firstMs).toBeGreaterThanOrEqual(99);
});

it("expires what is added while others expire, and what is added after a pause", async () => {
  const deadlines = new Deadlines(20);
  const expired: string[] = [];
  deadlines.add(() => {
    expired.push("first");
    deadlines.add(() => expired.push("second"));
    survivor.clear();
  });
  const survivor = deadlines.add(() => expired.push("never"));
  await eventually(() => expect(expired).toEqual(["first", "second"]));
  deadlines.add(() => expired.push("third"));
  await eventually(() => expect(expired).toEqual(["first", "second", "third"]));
});
