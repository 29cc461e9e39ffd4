import { expect, it } from "vitest";
import { Semaphore } from "./semaphore.js";

it("runs a limited number of tasks at a time, in order, also if some fail", async () => {
  const semaphore = new Semaphore(2);
  const log: string[] = [];
  let inside = 0;
  let most = 0;
  const work = (name: number) =>
    semaphore.run(async () => {
      most = Math.max(most, ++inside);
      log.push(`${name}`);
      await new Promise((resolve) => setImmediate(resolve));
      inside--;
      if (name % 2 === 0) throw new Error("no");
      return name;
    });
  const settled = await Promise.allSettled([1, 2, 3, 4, 5, 6, 7].map(work));
  expect(settled.map(({ status }) => status === "fulfilled")).toEqual([true, false, true, false, true, false, true]);
  expect(log).toEqual(["1", "2", "3", "4", "5", "6", "7"]);
  expect([most, inside]).toEqual([2, 0]);
});
