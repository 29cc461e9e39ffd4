import { describe, expect, it } from "vitest";
import { Numberings } from "./numbering.js";

describe("Numberings", () => {
  it("counts from 1 without holes, each channel for itself, under one epoch", () => {
    const numberings = new Numberings(10);
    const a = [numberings.next("a"), numberings.next("a"), numberings.next("a")];
    expect(a.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
    expect(new Set(a.map(({ epoch }) => epoch)).size).toBe(1);
    expect(numberings.next("b").sequence).toBe(1);
  });

  it("forgets the oldest channel when it has too many, and begins it under another epoch", () => {
    const numberings = new Numberings(2);
    const before = numberings.next("a");
    numberings.next("b");
    numberings.next("c");
    expect(numberings.size).toBe(2);
    const after = numberings.next("a");
    expect(after.sequence).toBe(1);
    expect(after.epoch).not.toBe(before.epoch);
  });
});
