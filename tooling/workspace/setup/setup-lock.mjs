import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ROOT } from "../workspace.mjs";

const FOLDER = join(ROOT, ".setup");
const LOCK = join(FOLDER, "lock");

/** Runs `work` while no other process sets up this checkout, because two terminals may start at the same time. */
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
    // An empty file: its holder has created it but not written it yet.
    if (pid === 0) return true;
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: the holder is alive and belongs to another user. ENOENT and ESRCH: the holder is gone.
    return error.code === "EPERM";
  }
}
