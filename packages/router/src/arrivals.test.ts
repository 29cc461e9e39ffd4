import { describe, expect, it } from "vitest";
import { Arrivals } from "./arrivals.js";

const at = (epoch: number, sequence: number) => ({ epoch, sequence });

describe("Arrivals", () => {
  it("takes numbers that follow each other", () => {
    const arrivals = new Arrivals();
    expect([1, 2, 3].map((sequence) => arrivals.judge("a", at(7, sequence)).kind)).toEqual(["fresh", "fresh", "fresh"]);
  });

  it("takes whatever comes first for the beginning", () => {
    expect(new Arrivals().judge("a", at(7, 900))).toEqual({ kind: "fresh" });
  });

  it("knows a number that was passed already", () => {
    const arrivals = new Arrivals();
    for (const sequence of [5, 6, 7]) arrivals.judge("a", at(1, sequence));
    expect(arrivals.judge("a", at(1, 7)).kind).toBe("duplicate");
    expect(arrivals.judge("a", at(1, 5)).kind).toBe("duplicate");
    expect(arrivals.judge("a", at(1, 8)).kind).toBe("fresh");
  });

  it("counts what is missing, once", () => {
    const arrivals = new Arrivals();
    arrivals.judge("a", at(1, 1));
    expect(arrivals.judge("a", at(1, 5))).toEqual({ kind: "after-gap", missed: 3 });
    expect(arrivals.judge("a", at(1, 6))).toEqual({ kind: "fresh" });
  });

  it("keeps origins apart", () => {
    const arrivals = new Arrivals();
    arrivals.judge("a", at(1, 10));
    expect(arrivals.judge("b", at(1, 3)).kind).toBe("fresh");
    expect(arrivals.judge("a", at(1, 11)).kind).toBe("fresh");
  });

  it("begins anew with a new numbering, and counts what that one had before", () => {
    const arrivals = new Arrivals();
    arrivals.judge("a", at(1, 10));
    expect(arrivals.judge("a", at(2, 1))).toEqual({ kind: "fresh" });
    expect(arrivals.judge("a", at(3, 4))).toEqual({ kind: "after-gap", missed: 3 });
  });

  it("lets what is not numbered pass", () => {
    const arrivals = new Arrivals();
    expect([0, 0].map((sequence) => arrivals.judge("a", at(0, sequence)).kind)).toEqual(["fresh", "fresh"]);
  });
});
