import { describe, expect, it } from "vitest";
import { TokenBucket } from "./token-bucket.js";

const take = (bucket: TokenBucket, count: number, nowMs: number): string[] =>
  Array.from({ length: count }, () => bucket.take(nowMs));

describe("TokenBucket", () => {
  it("allows a burst of twice the rate, then limits, then calls it abuse", () => {
    const verdicts = take(new TokenBucket(10, 0), 45, 0);
    expect(verdicts.slice(0, 20)).toEqual(Array(20).fill("allowed"));
    expect(verdicts.slice(20, 40)).toEqual(Array(20).fill("limited"));
    expect(verdicts.slice(40)).toEqual(Array(5).fill("abusive"));
  });

  it("lets the sustained rate pass forever", () => {
    const bucket = new TokenBucket(10, 0);
    for (let nowMs = 0; nowMs < 60_000; nowMs += 100) expect(bucket.take(nowMs)).toBe("allowed");
  });

  it("forgives with time, up to one burst", () => {
    const bucket = new TokenBucket(10, 0);
    take(bucket, 100, 0);
    expect(bucket.take(4_200)).toBe("allowed");
    expect(take(bucket, 21, 1_000_000)).toEqual([...Array(20).fill("allowed"), "limited"]);
  });
});
