import { mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ROOT } from "../workspace.mjs";

/** What renaming a folder onto a folder that is not empty fails with; Windows reports `EPERM`. */
const TAKEN = new Set(["ENOTEMPTY", "EEXIST", "EPERM"]);

/**
 * Runs `work` while no other process sets up this checkout, because two terminals may start at the same time.
 *
 * The lock is the folder `holder`, with one file that is named by the process id of the holder. It is free if it is
 * empty or missing. It is taken by renaming a folder that already contains the file, which no two processes can do,
 * and released by removing the file. A dead holder's file is removed by its name, which leaves another holder's file.
 */
export async function withSetupLock(work, folder = join(ROOT, ".setup")) {
  const lock = join(folder, "holder");
  let told = false;
  while (!take(lock)) {
    if (!told) console.log("- another process sets this checkout up; waiting for it");
    told = true;
    await delay(200);
  }
  const release = () => removeHolder(lock, String(process.pid));
  process.once("exit", release);
  try {
    return await work();
  } finally {
    process.off("exit", release);
    release();
  }
}

function take(lock) {
  const own = `${lock}-${process.pid}`;
  mkdirSync(own, { recursive: true });
  writeFileSync(join(own, String(process.pid)), "");
  try {
    renameSync(own, lock);
    return true;
  } catch (error) {
    if (!TAKEN.has(error.code)) throw error;
    rmSync(own, { recursive: true });
    for (const pid of holdersOf(lock)) if (!isAlive(Number(pid))) removeHolder(lock, pid);
    return false;
  }
}

/** The process id of the holder, or nothing if the lock was released meanwhile. */
function holdersOf(lock) {
  try {
    return readdirSync(lock);
  } catch (error) {
    if (error.code === "ENOENT") return [];
    throw error;
  }
}

function removeHolder(lock, pid) {
  rmSync(join(lock, pid), { force: true });
  try {
    rmdirSync(lock);
  } catch {
    // Another process has taken the lock, or has removed the folder.
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: the process is alive and belongs to another user.
    return error.code === "EPERM";
  }
}
