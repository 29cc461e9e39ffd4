import { join } from "node:path";
import { runAsProgram, runInFront } from "./child-commands.mjs";
import { setup } from "./setup/setup.mjs";
import { ROOT } from "./workspace.mjs";

await runAsProgram(import.meta.url, async (args) => {
  await setup();
  await runInFront(join(ROOT, "apps", "gateway", "dist", "main.js"), args);
});
