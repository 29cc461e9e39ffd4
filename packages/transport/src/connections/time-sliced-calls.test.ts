import { expect, it } from "vitest";
import { TimeSlicedCalls } from "./time-sliced-calls.js";

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Creates a `TimeSlicedCalls` whose clock advances only during calls. Each call takes 1 ms. */
function slices() {
  let now = 0;
  const paced = new TimeSlicedCalls(() => now);
  const done: number[] = [];
  const call = (number: number) => () => {
    now += 1;
    done.push(number);
  };
  return { paced, done, call };
}

it("calls in ordinary numbers run at once, and those of a storm 5 ms a turn, in their order", async () => {
  const { paced, done, call } = slices();
  for (let i = 0; i < 23; i++) paced.run(call(i));
  expect(done).toHaveLength(5);
  const perTurn: number[] = [];
  for (let before = 5; paced.waiting > 0; before = done.length) {
    await nextTurn();
    perTurn.push(done.length - before);
  }
  expect(perTurn).toEqual([5, 5, 5, 3]);
  expect(done).toEqual(Array.from({ length: 23 }, (_, i) => i));
});

it("a call behind those that wait does not overtake them, and what comes in the meantime has its turn before they end", async () => {
  const { paced, done, call } = slices();
  for (let i = 0; i < 12; i++) paced.run(call(i));
  const live: number[] = [];
  setImmediate(() => live.push(done.length));
  await nextTurn();
  paced.run(call(12));
  expect(live).toEqual([10]);
  expect(done).toHaveLength(10);
  await nextTurn();
  expect(done).toEqual(Array.from({ length: 13 }, (_, i) => i));
});

it("a flush leaves nothing", () => {
  const { paced, done, call } = slices();
  for (let i = 0; i < 30; i++) paced.run(call(i));
  expect(paced.waiting).toBe(25);
  paced.flush();
  expect(done).toEqual(Array.from({ length: 30 }, (_, i) => i));
  expect(paced.waiting).toBe(0);
});

it("at most 16,384 calls wait, and those that are too many for it run at once and in their order", () => {
  const { paced, done, call } = slices();
  for (let i = 0; i < 20_000; i++) paced.run(call(i));
  expect(paced.waiting).toBe(16_384);
  expect(done).toEqual(Array.from({ length: 20_000 - 16_384 }, (_, i) => i));
});
