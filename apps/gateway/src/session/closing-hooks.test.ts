import { expect, it } from "vitest";
import { LimitCounter } from "../limits/limit-counter.js";
import { ApplicationCalls } from "./application-calls.js";
import { ClosingHooks } from "./closing-hooks.js";

it("Waiting calls run in the order of the closes, and those over the limit are reported", async () => {
  const faults: unknown[] = [];
  const onFault = (error: unknown): void => void faults.push(error);
  const limits = { timeoutMs: 60_000, maxPending: 2, reached: new LimitCounter() };
  const calls = new ApplicationCalls("hook", limits, onFault);
  const hooks = new ClosingHooks(calls, 2, onFault);
  const called: number[] = [];
  let release: () => void = () => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  for (let close = 0; close < 100_003; close++) {
    hooks.call(() => {
      called.push(close);
      return released;
    });
  }
  expect(called).toEqual([0, 1]);
  expect(faults).toEqual([expect.objectContaining({ code: "unavailable" })]);
  release();
  await expect.poll(() => called).toHaveLength(100_002);
  expect(called).toEqual(Array.from({ length: 100_002 }, (_, close) => close));
  // The places are free again.
  hooks.call(() => void called.push(-1));
  await expect.poll(() => called.at(-1)).toBe(-1);
  expect(faults).toHaveLength(1);
});
