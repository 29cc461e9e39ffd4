import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { constants, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { eventually, freePort, freshPrefix } from "@cm/test-kit";
import { expect, inject, it, onTestFinished } from "vitest";

const MAIN = fileURLToPath(new URL("../../dist/main.js", import.meta.url));

interface Started {
  readonly child: ChildProcess;
  readonly url: string;
}

/** Starts a gateway with this standard output, through the shell command if one is given. */
async function start(stdout: number | "pipe", env: Record<string, string> = {}, command?: string): Promise<Started> {
  const port = await freePort();
  const [program, args] =
    command === undefined ? [process.execPath, [MAIN]] : ["sh", ["-c", command, process.execPath, MAIN]];
  const child = spawn(program, args, {
    env: { PATH: process.env.PATH ?? "", PORT: String(port), DRAIN_SECONDS: "0", ...env },
    stdio: ["ignore", stdout, "inherit"],
  });
  onTestFinished(() => {
    child.stdout?.destroy();
    child.kill("SIGKILL");
  });
  return { child, url: `http://127.0.0.1:${port}` };
}

/** A full pipe that no process reads. */
function fullPipe(): number {
  const folder = mkdtempSync(join(tmpdir(), "cm-log-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  execFileSync("mkfifo", [join(folder, "pipe")]);
  const filler = openSync(join(folder, "pipe"), constants.O_RDWR | constants.O_NONBLOCK);
  for (const size of [65_536, 4_096, 1]) {
    try {
      for (;;) writeSync(filler, Buffer.alloc(size, "x"));
    } catch {
      // No more pieces of this size fit.
    }
  }
  // Without O_NONBLOCK, as a shell would pass it on.
  return openSync(join(folder, "pipe"), constants.O_RDWR);
}

async function closedOutput(): Promise<Started> {
  const started = await start("pipe");
  started.child.stdout?.destroy();
  return started;
}

const outputs: Record<string, { readonly start: () => Promise<Started>; readonly drops: boolean }> = {
  "is on a full disk": { start: () => start(openSync("/dev/full", "w")), drops: true },
  "is a full pipe": { start: () => start(fullPipe()), drops: false },
  // Another program keeps the socket full by writing to it as long as it accepts bytes.
  "is a full socket": {
    start: () => start("pipe", {}, 'head -c 4000000 /dev/zero & exec "$0" "$1"'),
    drops: false,
  },
  "is closed": { start: closedOutput, drops: true },
  "is a full pipe for two workers": {
    start: () =>
      start(fullPipe(), { WORKERS: "2", REDIS_URL: inject("redisUrl"), REDIS_PREFIX: freshPrefix(), SERVER_ID: "log" }),
    drops: false,
  },
};

it.each(Object.entries(outputs))("serves, and ends with 0 in time, if standard output %s", async (_, output) => {
  const { child, url } = await output.start();
  const exited = once(child, "exit");
  // With workers three processes start; this test does not check how quickly.
  await eventually(async () => expect((await fetch(`${url}/readyz`)).status).toBe(200), { timeoutMs: 20_000 });
  const { log } = (await (await fetch(`${url}/stats`)).json()) as { log: { droppedLines: number } };
  if (output.drops) expect(log.droppedLines).toBeGreaterThan(0);
  else expect(log).toEqual({ droppedLines: 0 });
  const asked = performance.now();
  child.kill("SIGTERM");
  expect(await exited).toEqual([0, null]);
  expect(performance.now() - asked).toBeLessThan(8_000);
});
