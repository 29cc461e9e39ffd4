import { expect, it } from "vitest";
import { atTurnEnd, lastAtTurnEnd, splitLongTurn } from "./turn-end.js";

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Keeps the event loop busy. */
function spend(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until; );
}

it("calls functions at the end of the turn, the last ones after what the others cause", async () => {
  const called: string[] = [];
  lastAtTurnEnd(() => called.push("last"));
  atTurnEnd(() => {
    called.push("first");
    atTurnEnd(() => called.push("passed by the first"));
    void Promise.resolve().then(async () => {
      await Promise.resolve();
      called.push("resolved by the first");
      atTurnEnd(() => called.push("passed by what it resolved"));
      lastAtTurnEnd(() => called.push("also last"));
    });
  });
  atTurnEnd(() => called.push("second"));
  await Promise.resolve();
  expect(called).toEqual([]);
  await nextTurn();
  expect(called).toEqual([
    "first",
    "second",
    "passed by the first",
    "resolved by the first",
    "passed by what it resolved",
    "last",
    "also last",
  ]);
});

it("awaits the end of the turn again afterwards", async () => {
  const called: number[] = [];
  for (let turn = 0; turn < 3; turn++) {
    atTurnEnd(() => called.push(turn));
    expect(called).toHaveLength(turn);
    await nextTurn();
    expect(called).toHaveLength(turn + 1);
  }
});

it("keeps together what one callback passes, however long it takes", async () => {
  const called: number[] = [];
  atTurnEnd(() => called.push(1));
  spend(15);
  splitLongTurn();
  atTurnEnd(() => called.push(2));
  await Promise.resolve();
  expect(called).toEqual([]);
  await nextTurn();
  expect(called).toEqual([1, 2]);
});

it("splits a turn that goes on for more than 10 ms in other callbacks", async () => {
  const called: number[] = [];
  const tick = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));
  atTurnEnd(() => called.push(1));
  await tick();
  splitLongTurn();
  await tick();
  expect(called).toEqual([]);
  spend(15);
  atTurnEnd(() => called.push(2));
  // Called when the callback has ended, and before the turn has.
  expect(called).toEqual([]);
  await tick();
  await tick();
  expect(called).toEqual([1, 2]);
  atTurnEnd(() => called.push(3));
  await tick();
  expect(called).toEqual([1, 2]);
  await nextTurn();
  expect(called).toEqual([1, 2, 3]);
});
