import { burstRate } from "@cm/transport";
import { describe, expect, it } from "vitest";
import { RequestRate } from "./request-rate.js";

const take = (rate: RequestRate, count: number, nowMs: number): string[] =>
  Array.from({ length: count }, () => rate.takeRequest(nowMs));

describe("RequestRate", () => {
  it("allows a burst of twice the rate, then limits, then calls further requests abusive", () => {
    const verdicts = take(new RequestRate(burstRate(10), 0), 45, 0);
    expect(verdicts.slice(0, 20)).toEqual(Array(20).fill("allowed"));
    expect(verdicts.slice(20, 40)).toEqual(Array(20).fill("limited"));
    expect(verdicts.slice(40)).toEqual(Array(5).fill("abusive"));
  });

  it("allows requests at exactly its rate forever", () => {
    const rate = new RequestRate(burstRate(10), 0);
    for (let nowMs = 0; nowMs < 60_000; nowMs += 100) expect(rate.takeRequest(nowMs)).toBe("allowed");
  });

  it("forgives with time, up to one burst", () => {
    const rate = new RequestRate(burstRate(10), 0);
    take(rate, 100, 0);
    expect(rate.takeRequest(4_200)).toBe("allowed");
    expect(take(rate, 21, 1_000_000)).toEqual([...Array(20).fill("allowed"), "limited"]);
  });
});
