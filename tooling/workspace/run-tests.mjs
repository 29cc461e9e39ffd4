import { join } from "node:path";
import { runAsProgram, runInFront } from "./child-commands.mjs";
import { ensureChromium } from "./setup/chromium.mjs";
import { setup } from "./setup/setup.mjs";
import { ROOT } from "./workspace.mjs";

/** `npm test`, or a part of the tests: `npm test -- packages/router`. */
await runAsProgram(import.meta.url, async (args) => {
  await setup();
  const env = { ...process.env, CHROMIUM_PATH: await ensureChromium() };
  await runInFront(join(ROOT, "node_modules", "vitest", "vitest.mjs"), ["run", ...args], { env });
});
