import { execFile } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { findOnPath } from "./find-executable.js";

const run = promisify(execFile);

// Debian's package scripts run this program before they start a service; exit code 101 forbids the start.
// Without it, the installed Redis would also run as a service.
const POLICY = "/usr/sbin/policy-rc.d";

/** Whether packages can be installed: the process runs as root on a system with apt. */
export async function canInstallWithApt(): Promise<boolean> {
  return process.getuid?.() === 0 && (await findOnPath("apt-get")) !== undefined;
}

/** Installs `redis-server` without starting it as a service. */
export async function installWithApt(): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const placed = await writeFile(POLICY, "#!/bin/sh\nexit 101\n", { mode: 0o755, flag: "wx" }).then(
    () => true,
    // Keep a file that exists already: the administrator of this machine decides which services start.
    () => false,
  );
  try {
    await run("apt-get", ["update"], { env });
    await run("apt-get", ["install", "-y", "--no-install-recommends", "redis-server"], { env });
  } finally {
    if (placed) await rm(POLICY, { force: true });
  }
}
