import fc from "fast-check";
import { expect, test } from "vitest";
import { LatencyHistogram } from "./latency-histogram.js";

test("A quantile is never below the true one, and at most 1.6 % and a microsecond above it", () => {
  const latencies = fc.array(fc.integer({ min: 0, max: 60_000_000 }), { minLength: 1, maxLength: 300 });
  fc.assert(
    fc.property(latencies, fc.constantFrom(0.5, 0.9, 0.99, 0.999, 1), (valuesUs, share) => {
      const histogram = new LatencyHistogram();
      for (const value of valuesUs) histogram.record(value);
      const sorted = [...valuesUs].sort((left, right) => left - right);
      const trueUs = sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1] ?? Number.NaN;
      const foundUs = histogram.quantileMs(share) * 1000;
      expect(foundUs).toBeGreaterThanOrEqual(trueUs - 1e-6);
      expect(foundUs).toBeLessThanOrEqual(trueUs * 1.016 + 1.001);
    }),
  );
});

test("Nothing recorded gives zeros, and so does a reset", () => {
  const histogram = new LatencyHistogram();
  const zeros = { p50: 0, p90: 0, p99: 0, p999: 0, max: 0 };
  expect(histogram.summary()).toEqual(zeros);
  histogram.record(5_000);
  expect(histogram.summary()).toMatchObject({ p50: 5, max: 5 });
  histogram.reset();
  expect(histogram.summary()).toEqual(zeros);
});
