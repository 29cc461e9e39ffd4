import { join } from "node:path";
import { runAsProgram, runInFront } from "./child-commands.mjs";
import { ensureChromium } from "./setup/chromium.mjs";
import { setup } from "./setup/setup.mjs";
import { ROOT } from "./workspace.mjs";

/** Builds docs/ as a site and checks it in a browser: `npm run site`, or `npm run site -- --serve` to read it. */
await runAsProgram(import.meta.url, async (args) => {
  await setup();
  const chromium = args.includes("--serve") ? {} : { CHROMIUM_PATH: await ensureChromium() };
  const env = { ...process.env, ...chromium };
  await runInFront(join(ROOT, "tooling", "site", "main.mjs"), args, { env });
});
