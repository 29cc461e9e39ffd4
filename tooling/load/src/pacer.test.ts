import { expect, test } from "vitest";
import { runPaced } from "./pacer.js";

test("What is due over the time is sent, no more and no less", async () => {
  let calls = 0;
  const report = await runPaced({
    rate: 2_000,
    seconds: 0.3,
    send: () => {
      calls++;
      return true;
    },
    signal: undefined,
    now: () => performance.now(),
  });
  expect(report.sent).toBe(calls);
  expect(report.sent + report.late).toBe(600);
});

test("A driver that stood still catches up within a bound and says what it gave up", async () => {
  let clockMs = 0;
  let stalled = false;
  const report = await runPaced({
    rate: 1_000,
    seconds: 2,
    send: () => true,
    signal: undefined,
    now: () => {
      // In the middle, the clock advances by a second in one step.
      clockMs += clockMs >= 500 && !stalled ? 1_000 : 1;
      stalled ||= clockMs >= 1_500;
      return clockMs;
    },
  });
  expect(report).toEqual({ sent: 1_250, late: 750, blocked: 0, maxLagMs: 999 });
});

test("What could not be sent is counted, and not tried again", async () => {
  const report = await runPaced({
    rate: 1_000,
    seconds: 0.05,
    send: () => false,
    signal: undefined,
    now: () => performance.now(),
  });
  expect(report).toMatchObject({ sent: 0, blocked: 50 });
});

test("An abort ends the sending early", async () => {
  const stop = new AbortController();
  const report = await runPaced({
    rate: 1_000,
    seconds: 3_600,
    send: () => {
      stop.abort();
      return true;
    },
    signal: stop.signal,
    now: () => performance.now(),
  });
  expect(report.sent).toBeGreaterThan(0);
  expect(report.sent).toBeLessThan(1_000);
});

test("The calls of a burst are due at the same time, and the rate stays the same", async () => {
  let clockMs = 0;
  const sentAt: number[] = [];
  const report = await runPaced({
    rate: 1_000,
    burst: 20,
    seconds: 0.1,
    send: () => {
      sentAt.push(clockMs);
      return true;
    },
    signal: undefined,
    now: () => clockMs++,
  });
  expect(report.sent).toBe(100);
  // The clock is 0 when the pacer reads its start, and advances by 1 ms with each tick.
  const perMoment = [...new Set(sentAt)].map((at) => sentAt.filter((each) => each === at).length);
  expect(perMoment).toEqual([20, 20, 20, 20, 20]);
});

test("Each call is told when it was due, however late it is", async () => {
  let clockMs = 0;
  const dueAt: number[] = [];
  await runPaced({
    rate: 1_000,
    burst: 5,
    seconds: 0.03,
    send: (dueAtMs) => {
      dueAt.push(dueAtMs);
      return true;
    },
    signal: undefined,
    // After 8 ms, the clock advances by 12 ms in one step.
    now: () => (clockMs += clockMs === 8 ? 12 : 1),
  });
  // The clock is 1 when the pacer reads its start.
  expect(dueAt).toEqual([6, 11, 16, 21, 26, 31].flatMap((at) => Array(5).fill(at)));
});
