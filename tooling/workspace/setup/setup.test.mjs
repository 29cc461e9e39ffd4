import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { cleanEnvironment, runCommand } from "../child-commands.mjs";
import { ROOT, rootManifest } from "../workspace.mjs";
import { withAdvice } from "./setup.mjs";

const SETUP = join("tooling", "workspace", "setup", "setup.mjs");

/** A module that is loaded before a program and makes the program see an older Node.js. */
const OLD_NODE = `data:text/javascript,
  Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.18.3" } });`;

it("a Node.js that is too old is named, with the oldest that will do", async () => {
  const { code, output } = await runCommand(process.execPath, ["--import", OLD_NODE, join(ROOT, SETUP)]);
  expect({ code, output }).toEqual({ code: 1, output: "\nNode.js 20.19 or newer is needed; this is 20.18.3.\n" });
});

it("a registry that can't be reached is said to be the problem, with its setting", async () => {
  const copy = mkdtempSync(join(tmpdir(), "cm-setup-"));
  onTestFinished(() => rmSync(copy, { recursive: true, force: true }));
  cpSync(join(ROOT, "tooling", "workspace"), join(copy, "tooling", "workspace"), { recursive: true });
  // A dependency that is not installed, so that there is something to do.
  const { engines, packageManager } = rootManifest();
  const manifest = { private: true, engines, packageManager, dependencies: { yaml: "*" } };
  writeFileSync(join(copy, "package.json"), JSON.stringify(manifest));
  writeFileSync(join(copy, "pnpm-workspace.yaml"), "packages:\n  - packages/*\n");
  writeFileSync(join(copy, "pnpm-lock.yaml"), "lockfileVersion: '9.0'\n");
  mkdirSync(join(copy, "node_modules"));
  // Without its retries, npm would take a minute.
  writeFileSync(join(copy, ".npmrc"), "fetch-retries=0\n");
  // Port 1 of the loopback address refuses connections; in an empty cache npm does not find pnpm.
  const env = cleanEnvironment({ npm_config_registry: "http://127.0.0.1:1/", npm_config_cache: join(copy, "cache") });
  const { code, output } = await runCommand(process.execPath, [join(copy, SETUP)], {
    env,
    cwd: copy,
    timeoutMs: 60_000,
  });
  expect(code).toBe(1);
  expect(output).toContain("The package registry can't be reached (ECONNREFUSED).");
  expect(output).toContain("`npm config get registry`");
});

it.each([
  ["npm error code ENOTFOUND\nnpm error network request to https://registry.example/pnpm failed", "ENOTFOUND"],
  ["npm error code EAI_AGAIN", "EAI_AGAIN"],
  ["ERR_PNPM_META_FETCH_FAIL  GET http://127.0.0.1:1/ws: connect ECONNREFUSED 127.0.0.1:1", "ECONNREFUSED"],
])("the output %o is recognized as that of an unreachable registry", (output, code) => {
  expect(withAdvice(output)).toContain(`can't be reached (${code})`);
});

it("another failure is left as it is", () => {
  expect(withAdvice("ERR_PNPM_OUTDATED_LOCKFILE")).toBe("ERR_PNPM_OUTDATED_LOCKFILE");
});
