import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { ROOT } from "./workspace.mjs";

it("names the source and the hash of the native library that is installed", () => {
  const fromTransport = createRequire(join(ROOT, "packages/server-uws/package.json"));
  const folder = dirname(fromTransport.resolve("uWebSockets.js/package.json"));
  const page = readFileSync(join(ROOT, "SECURITY.md"), "utf8");
  expect(page).toContain(`\`${readFileSync(join(folder, "source_commit"), "utf8").trim()}\``);
  const binary = readFileSync(join(folder, "uws_linux_x64_115.node"));
  expect(page).toContain(`\`${createHash("sha256").update(binary).digest("hex")}\``);
});
