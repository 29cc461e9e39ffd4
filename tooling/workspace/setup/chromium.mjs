import { existsSync } from "node:fs";
import { findOnPath, mustRun } from "../child-commands.mjs";
import { SetupError } from "../workspace.mjs";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const FIXED_PLACES = ["/usr/bin/chromium", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"];

/**
 * The path of a Chromium for the browser test. Installs one from Debian if possible; otherwise fails, because
 * the browser test is never skipped.
 */
export async function ensureChromium() {
  const named = process.env.CHROMIUM_PATH;
  if (named) {
    if (existsSync(named)) return named;
    throw new SetupError(`CHROMIUM_PATH is ${named}, and there is no such file.`);
  }
  const found = findChromium();
  if (found !== undefined) return found;
  if (process.getuid?.() !== 0 || findOnPath(["apt-get"]) === undefined) {
    throw new SetupError(
      "The tests drive a real browser, and no Chromium was found. Install one (on Debian: apt-get install chromium) " +
        "or set CHROMIUM_PATH to the executable of a Chromium or Chrome.",
    );
  }
  console.log("- installing chromium with apt-get");
  const options = { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } };
  await mustRun("apt-get update", "apt-get", ["update"], options);
  await mustRun("apt-get install", "apt-get", ["install", "-y", "--no-install-recommends", "chromium"], options);
  const installed = findChromium();
  if (installed === undefined) throw new SetupError("apt-get installed chromium, but its executable was not found.");
  return installed;
}

function findChromium() {
  return FIXED_PLACES.find((file) => existsSync(file)) ?? findOnPath(NAMES);
}
