import { execFile } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { findOnPath } from "./executable.js";

const run = promisify(execFile);

// Debian's package scripts ask this program before they start a service; 101 is its
// way of saying no. Without it the installed Redis would also run as a service.
const POLICY = "/usr/sbin/policy-rc.d";

/** Whether packages can be installed: root, on a system with apt. */
export async function canInstallWithApt(): Promise<boolean> {
  return process.getuid?.() === 0 && (await findOnPath("apt-get")) !== undefined;
}

/** Installs `redis-server` without starting it as a service. */
export async function installWithApt(): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const placed = await writeFile(POLICY, "#!/bin/sh\nexit 101\n", { mode: 0o755, flag: "wx" }).then(
    () => true,
    // There is one already: the administrator of this machine decides about services.
    () => false,
  );
  try {
    await run("apt-get", ["update"], { env });
    await run("apt-get", ["install", "-y", "--no-install-recommends", "redis-server"], { env });
  } finally {
    if (placed) await rm(POLICY, { force: true });
  }
}
