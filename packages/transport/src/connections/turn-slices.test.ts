import { expect, it } from "vitest";
import { TurnSlices } from "./turn-slices.js";

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Slices on a clock that only the calls move on; each call takes 1 ms. */
function slices() {
  let now = 0;
  const paced = new TurnSlices(() => now);
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

it("a call that is put off runs in a later turn, and a flush leaves nothing", async () => {
  const { paced, done, call } = slices();
  paced.later(call(0));
  expect(done).toEqual([]);
  await nextTurn();
  expect(done).toEqual([0]);
  for (let i = 1; i < 30; i++) paced.run(call(i));
  paced.flush();
  expect(done).toHaveLength(30);
  expect(paced.waiting).toBe(0);
});
