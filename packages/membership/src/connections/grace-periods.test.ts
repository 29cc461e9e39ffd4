import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { GracePeriods } from "./grace-periods.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Starts grace periods with a store whose calls of `endGracePeriods` resolve with the given times in turn. */
function start(answers: (number | undefined)[]) {
  const asked: (readonly number[])[] = [];
  const periods = new GracePeriods({
    projection: {
      endGracePeriods: async (partitions) => {
        asked.push([...partitions].sort());
        return answers.shift();
      },
    },
    partitions: 8,
    heartbeatIntervalMs: 30_000,
    onError: (cause) => {
      throw cause;
    },
  });
  return { periods, asked };
}

it("also checks grace periods that were started by another server", async () => {
  const { periods, asked } = start([400, 300, undefined, undefined]);
  periods.after(1, 100);
  periods.after(2, 1_000);
  await vi.advanceTimersByTimeAsync(1_500);
  expect(asked).toEqual([[1], [2]]);
  // Both partitions share one retry, five seconds after the first of them.
  await vi.advanceTimersByTimeAsync(5_000);
  expect(asked).toEqual([[1], [2], [1, 2]]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked).toHaveLength(3);
});

it("looks no more once it is stopped", async () => {
  const { periods, asked } = start([400]);
  periods.after(1, 100);
  await vi.advanceTimersByTimeAsync(500);
  await periods.stop();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked).toEqual([[1]]);
});
