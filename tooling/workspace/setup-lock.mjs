import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ROOT } from "./workspace.mjs";

const FOLDER = join(ROOT, ".setup");
const LOCK = join(FOLDER, "lock");

/** Runs `work` while no other process sets this checkout up: two terminals may start at once. */
export async function withSetupLock(work) {
  mkdirSync(FOLDER, { recursive: true });
  let told = false;
  while (!take()) {
    if (!told) console.log("- another process sets this checkout up; waiting for it");
    told = true;
    await delay(200);
  }
  const release = () => rmSync(LOCK, { force: true });
  process.once("exit", release);
  try {
    return await work();
  } finally {
    process.off("exit", release);
    release();
  }
}

function take() {
  try {
    writeFileSync(LOCK, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
    if (!holderLives()) rmSync(LOCK, { force: true });
    return false;
  }
}

function holderLives() {
  try {
    const pid = Number(readFileSync(LOCK, "utf8"));
    // Empty: its holder is between creating and writing it.
    if (pid === 0) return true;
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: the holder lives and belongs to another user. ENOENT and ESRCH: it is gone.
    return error.code === "EPERM";
  }
}
