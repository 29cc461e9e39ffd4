import { expect, it } from "vitest";
import { runJobs } from "./concurrent-jobs.mjs";

it("runs all jobs, three at the same time", async () => {
  let [running, most, ended] = [0, 0, 0];
  const job = async () => {
    most = Math.max(most, ++running);
    await Promise.resolve();
    running--;
    ended++;
  };
  await runJobs(Array.from({ length: 10 }, () => job));
  expect({ most, ended }).toEqual({ most: 3, ended: 10 });
});

it("begins no job after one has failed, and waits for those that run", async () => {
  const begun = [];
  let end;
  const jobs = [
    () => {
      begun.push("fails");
      return Promise.reject(new Error("no space left"));
    },
    () => {
      begun.push("runs");
      return new Promise((resolve) => {
        end = resolve;
      });
    },
    async () => begun.push("ends"),
    ...Array.from({ length: 5 }, () => async () => begun.push("begins too late")),
  ];
  let settled = false;
  const run = runJobs(jobs).finally(() => {
    settled = true;
  });
  run.catch(() => undefined);
  await new Promise((resolve) => setImmediate(resolve));
  expect(settled).toBe(false);
  end();
  await expect(run).rejects.toThrow("no space left");
  expect(begun).toEqual(["fails", "runs", "ends"]);
});
