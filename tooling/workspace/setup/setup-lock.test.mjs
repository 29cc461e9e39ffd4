import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { runCommand } from "../child-commands.mjs";
import { withSetupLock } from "./setup-lock.mjs";

/** Takes the lock and writes two lines into a file while it holds it, some time apart. */
const PROGRAM = `
import { appendFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { withSetupLock } from ${JSON.stringify(new URL("./setup-lock.mjs", import.meta.url).href)};
const [folder] = process.argv.slice(1);
const log = (what) => appendFileSync(folder + "/log", what + " " + process.pid + "\\n");
await withSetupLock(async () => {
  log("takes");
  await delay(20);
  log("releases");
}, folder);
`;

/** A folder in which a process that has ended holds the lock. */
function folderOfTheDead() {
  const folder = mkdtempSync(join(tmpdir(), "cm-lock-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, "holder"));
  writeFileSync(join(folder, "holder", String(spawnSync(process.execPath, ["--version"]).pid)), "");
  return folder;
}

it("processes that wait for a dead holder get the lock one after the other", async () => {
  const folder = folderOfTheDead();
  const run = () => runCommand(process.execPath, ["--input-type=module", "--eval", PROGRAM, folder]);
  for (const { code, output } of await Promise.all(Array.from({ length: 8 }, run))) expect(code, output).toBe(0);
  const lines = readFileSync(join(folder, "log"), "utf8").trim().split("\n");
  expect(lines).toHaveLength(16);
  for (let i = 0; i < lines.length; i += 2) expect(lines[i + 1]).toBe(lines[i].replace("takes", "releases"));
  expect(readdirSync(folder)).toEqual(["log"]);
});

it("a lock that its holder released without removing the folder is free", async () => {
  const folder = folderOfTheDead();
  const [dead] = readdirSync(join(folder, "holder"));
  rmSync(join(folder, "holder", dead));
  expect(await withSetupLock(() => readdirSync(join(folder, "holder")), folder)).toEqual([String(process.pid)]);
  expect(readdirSync(folder)).toEqual([]);
});

it("a process leaves the lock to another one that has just taken it from the same dead holder", async () => {
  const folder = folderOfTheDead();
  const holder = join(folder, "holder");
  const [dead] = readdirSync(holder);
  const other = String(process.ppid);
  // The other process is faster: it takes the lock while this one asks whether the holder is alive.
  const kill = vi.spyOn(process, "kill").mockImplementationOnce(() => {
    rmSync(join(holder, dead));
    writeFileSync(join(holder, other), "");
    throw Object.assign(new Error("no such process"), { code: "ESRCH" });
  });
  onTestFinished(() => kill.mockRestore());
  const working = withSetupLock(() => readdirSync(holder), folder);
  expect(kill).toHaveBeenCalledWith(Number(dead), 0);
  expect(readdirSync(holder)).toEqual([other]);
  rmSync(join(holder, other));
  expect(await working).toEqual([String(process.pid)]);
});
