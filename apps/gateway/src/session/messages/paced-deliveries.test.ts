import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, it } from "vitest";
import { PacedDeliveries } from "./paced-deliveries.js";

/** Connections that record the frames that they take; every second one has closed. */
function createRecipients(count: number, taken: string[]) {
  return Array.from({ length: count }, (_, i) => ({
    deliver: (frame: Uint8Array) => {
      taken.push(`${i} ${Buffer.from(frame).toString()}`);
      return i % 2 === 0;
    },
  }));
}

it("delivers to few connections at once, and counts those that take the frame", () => {
  const taken: string[] = [];
  const counts: number[] = [];
  const deliveries = new PacedDeliveries((count) => counts.push(count));
  expect(deliveries.deliver(createRecipients(3, taken), Buffer.from("hi"))).toBe(2);
  expect(taken).toEqual(["0 hi", "1 hi", "2 hi"]);
  expect(counts).toEqual([3]);
});

it("delivers to many connections in several turns, in order, with other work and other messages in between", async () => {
  const taken: string[] = [];
  const counts: number[] = [];
  const deliveries = new PacedDeliveries((count) => counts.push(count));
  const frame = Buffer.from("one");
  expect(deliveries.deliver(createRecipients(600, taken), frame)).toBe(600);
  expect(taken).toHaveLength(250);
  // The bytes are only valid during the call.
  frame.write("xxx");
  expect(deliveries.deliver(createRecipients(300, taken), Buffer.from("two"))).toBe(300);
  expect(deliveries.deliver(createRecipients(1, []), Buffer.from("small"))).toBe(1);
  expect(taken).toHaveLength(250);
  for (let turn = 0; turn < 6; turn++) await nextTurn();
  expect(taken).toEqual([
    ...Array.from({ length: 600 }, (_, i) => `${i} one`),
    ...Array.from({ length: 300 }, (_, i) => `${i} two`),
  ]);
  expect(counts).toEqual([250, 1, 250, 100, 250, 50]);
});

it("delivers at once if too much waits, so that what waits is bounded", async () => {
  const taken: string[] = [];
  const deliveries = new PacedDeliveries(() => undefined);
  const many = createRecipients(60_000, taken);
  for (const text of ["one", "two"]) deliveries.deliver(many, Buffer.from(text));
  expect(taken).toHaveLength(250);
  expect(deliveries.deliver(many, Buffer.from("three"))).toBe(30_000);
  expect(taken).toHaveLength(60_250);
  deliveries.close();
  await nextTurn();
  expect(taken).toHaveLength(60_250);
});
