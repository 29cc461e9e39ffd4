import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SmallSet } from "./small-set.js";

describe("SmallSet", () => {
  it("behaves like a Set, with few elements and with many", () => {
    const element = fc.integer({ min: 0, max: 40 });
    const step = fc.record({ isAdded: fc.boolean(), element });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const set = new SmallSet<number>();
        const model = new Set<number>();
        for (const { isAdded, element: each } of steps) {
          if (isAdded) expect(set.add(each)).toBe(!model.has(each) && model.add(each).has(each));
          else expect(set.delete(each)).toBe(model.delete(each));
          expect(set.has(each)).toBe(model.has(each));
          expect(set.size).toBe(model.size);
        }
        expect([...set]).toEqual([...model]);
      }),
    );
  });

  it("can lose its elements while they are iterated over", () => {
    for (const size of [5, 30]) {
      const set = new SmallSet<number>();
      for (let element = 0; element < size; element++) set.add(element);
      const seen: number[] = [];
      for (const element of set) {
        set.delete(element);
        seen.push(element);
      }
      expect([seen.length, set.size]).toEqual([size, 0]);
    }
  });
});
