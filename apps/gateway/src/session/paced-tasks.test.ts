import { expect, it } from "vitest";
import { PacedTasks } from "./paced-tasks.js";

/**
 * Closes connections in the given numbers of rooms. Returns the maximum number of closes in progress, and of
 * the entries to remove for them.
 */
async function closeAll(rooms: readonly number[]): Promise<{ closes: number; entries: number; order: number[] }> {
  const paced = new PacedTasks(200);
  const most = { closes: 0, entries: 0 };
  const order: number[] = [];
  let closes = 0;
  let entries = 0;
  await Promise.all(
    rooms.map(
      (count, index) =>
        new Promise<void>((resolve) => {
          paced.run(count + 1, async () => {
            order.push(index);
            most.closes = Math.max(most.closes, ++closes);
            entries += count + 1;
            most.entries = Math.max(most.entries, entries);
            await new Promise((done) => setImmediate(done));
            closes--;
            entries -= count + 1;
            resolve();
          });
        }),
    ),
  );
  expect(paced.waiting).toBe(0);
  return { ...most, order };
}

it("closes in ordinary numbers go at once, those of many rooms by 200 entries, in their order", async () => {
  expect(await closeAll(Array.from({ length: 100 }, () => 1))).toMatchObject({ closes: 100, entries: 200 });
  const crowd = await closeAll(Array.from({ length: 300 }, (_, i) => (i % 3 === 0 ? 99 : 49)));
  expect(crowd.entries).toBeLessThanOrEqual(200);
  expect(crowd.closes).toBeGreaterThan(1);
  expect(crowd.order).toEqual(Array.from({ length: 300 }, (_, i) => i));
});

it("one that is larger than the limit goes alone", async () => {
  expect(await closeAll([500, 3, 500])).toEqual({ closes: 1, entries: 501, order: [0, 1, 2] });
});
