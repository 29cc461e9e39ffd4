import { join } from "node:path";
import { runAsProgram, runInFront } from "./child-commands.mjs";
import { ensureProgram } from "./setup/debian-programs.mjs";
import { setup } from "./setup/setup.mjs";
import { ROOT } from "./workspace.mjs";

/** Tests deploy/haproxy.cfg and deploy/nginx.conf with real gateways: `npm run balancers`. */
await runAsProgram(import.meta.url, async () => {
  await setup();
  await ensureProgram("haproxy", "haproxy");
  await ensureProgram("nginx", "nginx-light");
  const args = ["run", "--root", join(ROOT, "tooling", "balancers")];
  await runInFront(join(ROOT, "node_modules", "vitest", "vitest.mjs"), args, { env: process.env });
});
