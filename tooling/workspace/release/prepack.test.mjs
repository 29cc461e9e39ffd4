import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { runCommand } from "../child-commands.mjs";
import { publishablePackages, ROOT } from "../workspace.mjs";
import { isOfAnotherVersion, unbuiltFiles } from "./prepack.mjs";

const PREPACK = "node ../../tooling/workspace/release/prepack.mjs";

/** Creates a package with one source file, one test, and these built files. */
function packageWith(...built) {
  const folder = mkdtempSync(join(tmpdir(), "cm-prepack-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const prepack = `node ${join(ROOT, "tooling/workspace/release/prepack.mjs")}`;
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "p", version: "1.0.0", scripts: { prepack } }));
  for (const part of ["src", "dist"]) mkdirSync(join(folder, part));
  for (const file of ["src/index.ts", "src/index.test.ts", ...built]) writeFileSync(join(folder, file), "");
  return folder;
}

it("every published package asks for its build before it is packed", () => {
  for (const { dir, manifest } of publishablePackages()) expect(manifest.scripts.prepack, dir).toBe(PREPACK);
});

it("a package without its build is not packed, and the message says what to run", async () => {
  const folder = packageWith();
  const { code, output } = await runCommand("npm", ["pack"], { cwd: folder });
  expect(code).not.toBe(0);
  expect(output).toContain("is not built: dist/index.js and 1 more would be missing. Run `npm run build`");
  expect(readdirSync(folder).filter((file) => file.endsWith(".tgz"))).toEqual([]);
});

it("a package with its build is packed", async () => {
  const folder = packageWith("dist/index.js", "dist/index.d.ts");
  const { code, output } = await runCommand("npm", ["pack"], { cwd: folder });
  expect(code, output).toBe(0);
  expect(readdirSync(folder)).toContain("p-1.0.0.tgz");
});

it("a build that lacks a part counts as none", () => {
  expect(unbuiltFiles(packageWith("dist/index.js"))).toEqual(["dist/index.d.ts"]);
});

it("a build of another version counts as none", async () => {
  const folder = packageWith("dist/index.js", "dist/index.d.ts", "dist/version.js");
  writeFileSync(join(folder, "dist/version.js"), 'export const VERSION = "0.9.0";');
  expect(isOfAnotherVersion(folder, "0.9.0")).toBe(false);
  const { code, output } = await runCommand("npm", ["pack"], { cwd: folder });
  expect(code).not.toBe(0);
  expect(output).toContain("was built for another version than 1.0.0. Run `npm run build`");
});

it("npm publishes no package by itself, since it would leave the ranges of the workspace in it", async () => {
  const folder = packageWith("dist/index.js", "dist/index.d.ts");
  const { code, output } = await runCommand("npm", ["publish", "--dry-run"], { cwd: folder });
  expect(code).not.toBe(0);
  expect(output).toContain("Publish with `npm run release`");
});
