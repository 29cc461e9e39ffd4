import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { expect, it, onTestFinished } from "vitest";
import { cpuBetween, readProcessCpu } from "./process-cpu.js";

/** Uses the processor until the kernel has accounted for this much time. */
function work(seconds: number): void {
  const from = process.cpuUsage();
  for (;;) {
    const { user, system } = process.cpuUsage(from);
    if (user + system > seconds * 1e6) return;
  }
}

it("reads the total finer than the 10 ms of the clock that its parts are read from", () => {
  const totals = new Set<number>();
  for (let reading = 0; reading < 20; reading++) {
    work(0.005);
    totals.add(readProcessCpu(process.pid).total);
  }
  expect(totals.size).toBeGreaterThan(15);
});

it("agrees with the sum of the parts", () => {
  const before = readProcessCpu(process.pid);
  work(0.3);
  const { total, user, system } = cpuBetween(before, readProcessCpu(process.pid));
  expect(Math.abs(total - user - system)).toBeLessThan(0.05);
});

it("includes the other threads of the process", async () => {
  const before = readProcessCpu(process.pid);
  const source = "const end = Date.now() + 300; while (Date.now() < end); setInterval(() => {}, 1e6);";
  const worker = new Worker(`${source} require("node:worker_threads").parentPort.postMessage("done")`, { eval: true });
  onTestFinished(() => void worker.terminate());
  await once(worker, "message");
  expect(cpuBetween(before, readProcessCpu(process.pid)).total).toBeGreaterThan(0.02);
});
