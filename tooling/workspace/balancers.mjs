import { join } from "node:path";
import { findOnPath, mustRun, runAsProgram, runInFront } from "./command.mjs";
import { setup } from "./setup.mjs";
import { ROOT, SetupError } from "./workspace.mjs";

/** Runs deploy/haproxy.cfg and deploy/nginx.conf with real gateways: `npm run balancers`. */
await runAsProgram(import.meta.url, async () => {
  await setup();
  await ensure("haproxy", "haproxy");
  await ensure("nginx", "nginx-light");
  const args = ["run", "--root", join(ROOT, "tooling", "balancers")];
  await runInFront(join(ROOT, "node_modules", "vitest", "vitest.mjs"), args, { env: process.env });
});

/** Installs a program from Debian where that is possible; it is never done without. */
async function ensure(program, debianPackage) {
  if (findOnPath([program]) !== undefined) return;
  if (process.getuid?.() !== 0 || findOnPath(["apt-get"]) === undefined) {
    throw new SetupError(
      `This drives a real ${program}, and none is on the PATH. Install it (Debian: ${debianPackage}).`,
    );
  }
  console.log(`- installing ${debianPackage} with apt-get`);
  const options = { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } };
  await mustRun("apt-get update", "apt-get", ["update"], options);
  await mustRun("apt-get install", "apt-get", ["install", "-y", "--no-install-recommends", debianPackage], options);
}
