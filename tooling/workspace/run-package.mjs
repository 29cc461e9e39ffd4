import { existsSync } from "node:fs";
import { join } from "node:path";
import { runAsProgram, runInFront } from "./child-commands.mjs";
import { setup } from "./setup/setup.mjs";
import { ROOT, SetupError, workspacePackages } from "./workspace.mjs";

await runAsProgram(import.meta.url, async ([name, ...args]) => {
  const found = workspacePackages().find(({ manifest }) => manifest.name === name);
  if (found === undefined)
    throw new SetupError(`Usage: run-package.mjs <package> [arguments]. No package is named "${name}".`);
  await setup();
  const program = join(ROOT, found.dir, "dist", "main.js");
  if (!existsSync(program)) throw new SetupError(`${name} has no program: ${program} does not exist.`);
  await runInFront(program, args);
});
