import { findOnPath, mustRun } from "../child-commands.mjs";
import { SetupError } from "../workspace.mjs";

/**
 * Ensures that a program is on the PATH: installs it from Debian if it is missing and that is possible. Fails
 * otherwise, because the checks that need the program are never skipped.
 */
export async function ensureProgram(program, debianPackage) {
  if (findOnPath([program]) !== undefined) return;
  if (process.getuid?.() !== 0 || findOnPath(["apt-get"]) === undefined) {
    throw new SetupError(
      `This drives a real ${program}, and none is on the PATH. Install it (Debian: ${debianPackage}).`,
    );
  }
  console.log(`- installing ${debianPackage} with apt-get`);
  // RUNLEVEL prevents a package from starting its service.
  const options = { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" } };
  await mustRun("apt-get update", "apt-get", ["update"], options);
  await mustRun("apt-get install", "apt-get", ["install", "-y", "--no-install-recommends", debianPackage], options);
}
