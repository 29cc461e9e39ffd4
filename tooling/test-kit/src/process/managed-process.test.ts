import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { eventually, type ManagedProcess, processUsage, startManagedProcess } from "../index.js";

function start(script: string, onLine?: (line: string) => void): ManagedProcess {
  const started = startManagedProcess({
    command: process.execPath,
    args: ["--input-type=module", "--eval", script],
    ...(onLine === undefined ? {} : { onLine }),
  });
  onTestFinished(async () => {
    await started.kill();
  });
  return started;
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

it("does nothing while it is paused, continues afterwards, and can be killed while it is paused", async () => {
  let lines = 0;
  const ticking = start(`setInterval(() => console.log("tick"), 5)`, () => lines++);
  await eventually(() => expect(lines).toBeGreaterThan(2));
  ticking.pause();
  await eventually(async () => {
    const before = lines;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(lines).toBe(before);
  });
  const paused = lines;
  ticking.resume();
  await eventually(() => expect(lines).toBeGreaterThan(paused));
  ticking.pause();
  expect(ticking.running).toBe(true);
  expect(await ticking.kill()).toEqual({ code: null, signal: "SIGKILL" });
  expect(ticking.running).toBe(false);
});

it("is asked to stop first, and killed if it does not listen", async () => {
  const obeys = start(`process.on("SIGTERM", () => process.exit(3)); setInterval(() => {}, 1000); console.log("up")`);
  const deaf = start(`process.on("SIGTERM", () => {}); setInterval(() => {}, 1000); console.log("up")`);
  await eventually(() => expect([obeys.output, deaf.output]).toEqual(["up\n", "up\n"]));
  obeys.pause();
  expect(await obeys.stop(10_000)).toEqual({ code: 3, signal: null });
  expect(await deaf.stop(100)).toEqual({ code: null, signal: "SIGKILL" });
});

it("keeps the end of what was written, and no more than that", async () => {
  const talker = start(`process.stdout.write("x".repeat(1_000_000)); console.error("last words")`);
  expect(await talker.ended).toEqual({ code: 0, signal: null });
  expect(talker.output.length).toBeLessThanOrEqual(16_384);
  const silent = startManagedProcess({ command: "/nonexistent/program", args: [] });
  await silent.ended;
  expect(silent).toMatchObject({ pid: -1, running: false, output: expect.stringContaining("ENOENT") });
});

it("reports its memory and open files on Linux, and elsewhere that it can't", async () => {
  const hungry = start(
    `const all = Buffer.alloc(64 * 1024 * 1024, 1); console.log("full"); setInterval(() => all.length, 1000)`,
  );
  await eventually(() => expect(hungry.output).toBe("full\n"));
  if (process.platform === "linux") {
    const usage = await hungry.usage();
    expect(usage.rssBytes).toBeGreaterThan(64 * 1024 * 1024);
    expect(usage.openFiles).toBeGreaterThan(2);
    await hungry.kill();
    await expect(hungry.usage()).rejects.toThrow();
  } else {
    await expect(processUsage(hungry.pid)).rejects.toThrow("Linux");
  }
});

it("leaves nothing behind if its parent process is killed, not even paused processes", async () => {
  const kit = fileURLToPath(new URL("../../dist/process/managed-process.js", import.meta.url));
  const parent = start(`
    const { startManagedProcess } = await import(${JSON.stringify(kit)});
    const command = { command: process.execPath, args: ["--eval", "setInterval(() => {}, 1000)"] };
    const children = [startManagedProcess(command), startManagedProcess(command), startManagedProcess(command)];
    children[0].pause();
    await children[2].kill();
    console.log(children.map(({ pid }) => pid).join(" "));
  `);
  await eventually(() => expect(parent.output).toMatch(/^\d+ \d+ \d+\n/));
  const pids = parent.output.trim().split(" ").map(Number);
  expect(pids.map(isThere)).toEqual([true, true, false]);
  await parent.kill();
  await eventually(() => expect(pids.map(isThere)).toEqual([false, false, false]));
});
