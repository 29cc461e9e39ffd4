import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";
import { CoreWait } from "./core-wait.js";

it("measures the time that a process runs and waits for a core", () => {
  const wait = new CoreWait(process.pid);
  wait.start();
  const before = process.cpuUsage();
  for (let spent = 0; spent < 50_000; ) {
    const { user, system } = process.cpuUsage(before);
    spent = user + system;
  }
  const figures = wait.stop();
  if (process.platform !== "linux") return;
  expect(figures?.ranMs).toBeGreaterThan(10);
  expect(figures?.waitedMs).toBeGreaterThanOrEqual(0);
  expect(figures?.longestWaitMs).toBeLessThanOrEqual(figures?.waitedMs ?? 0);
});

it("gives no figures of a process that has ended", () => {
  const pid = Number(execFileSync(process.execPath, ["-e", "console.log(process.pid)"], { encoding: "utf8" }));
  const wait = new CoreWait(pid);
  wait.start();
  expect(wait.stop()).toBeUndefined();
});
