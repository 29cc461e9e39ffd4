import { join } from "node:path";
import { runAsProgram, runInFront } from "./command.mjs";
import { setup } from "./setup.mjs";
import { ROOT } from "./workspace.mjs";

await runAsProgram(import.meta.url, async (args) => {
  await setup();
  await runInFront(join(ROOT, "apps", "gateway", "dist", "main.js"), args);
});
