import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, inject, it } from "vitest";
import { runCommand } from "../workspace/child-commands.mjs";
import { publishablePackages, ROOT } from "../workspace/workspace.mjs";
import {
  importedBy,
  installedBy,
  isTestFile,
  missingLine,
  nameOf,
  programOf,
  promisedLines,
} from "./readme-programs.mjs";

const READMES = publishablePackages().map(({ dir, manifest }) => ({
  dir,
  name: manifest.name,
  exports: Object.keys(manifest.exports),
  readme: readFileSync(join(ROOT, dir, "README.md"), "utf8"),
}));

describe("the README of a package", () => {
  it.each(READMES)(
    "$name has an install line, and a program that prints what it says",
    async ({ dir, name, readme }) => {
      expect(installedBy(readme)).toContain(name);
      const program = programOf(readme);
      expect(promisedLines(program).length).toBeGreaterThan(0);
      // The file is inside the package, so that Node.js finds the package by its own name, and its development
      // dependencies.
      const isTest = isTestFile(program);
      const file = join(ROOT, dir, isTest ? ".readme-program.test.mjs" : ".readme-program.mjs");
      // Without this file, vitest would use the configuration of this workspace, which is in a parent folder.
      const config = join(ROOT, dir, ".readme-vitest.mjs");
      writeFileSync(config, "export default {};");
      writeFileSync(file, program);
      try {
        // Only the program of @cm/redis-store gets Redis. The others run in memory, because they would share the
        // default prefix.
        const env = {
          PATH: process.env.PATH,
          ...(name === "@cm/redis-store" ? { REDIS_URL: inject("redisUrl") } : {}),
        };
        const vitest = join(ROOT, "node_modules", "vitest", "vitest.mjs");
        const run = isTest
          ? [vitest, "run", "--root", join(ROOT, dir), "--config", config, file]
          : ["--no-warnings", file];
        const { code, output } = await runCommand(process.execPath, run, { env, timeoutMs: 20_000 });
        expect(code, output).toBe(0);
        expect(missingLine(program, output), output).toBeUndefined();
      } finally {
        rmSync(file);
        rmSync(config);
      }
    },
  );

  it("has a program that compiles as TypeScript, too", async () => {
    // One compilation of all programs, each inside its package as above.
    const files = READMES.map(({ dir }) => join(ROOT, dir, ".readme-compiled.ts"));
    for (const [index, { readme }] of READMES.entries()) writeFileSync(files[index], programOf(readme));
    try {
      const options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2023", "--types", "node"];
      const { code, output } = await compile([...options, "--skipLibCheck", ...files]);
      expect(code, output).toBe(0);
    } finally {
      for (const file of files) rmSync(file);
    }
  });

  it.each(READMES)("$name installs everything that its program imports", ({ readme }) => {
    const installed = installedBy(readme).map(nameOf);
    for (const name of importedBy(programOf(readme))) expect(installed).toContain(name);
  });

  it.each(READMES)("$name says whether a TypeScript project needs the types of Node.js", async (each) => {
    const says = /TypeScript\s+projects?\s+needs?[^.]*`@types\/node`/.test(each.readme);
    expect(says).toBe(await needsNodeTypes(each));
  });

  it.each(["Promises", "Options", "Weight"])("has a section: %s", (title) => {
    for (const { name, readme } of READMES) expect(readme, name).toMatch(new RegExp(`^#+ ${title}$`, "m"));
  });
});

/** Runs the compiler of TypeScript with the given arguments, without a configuration file. */
function compile(args, cwd = ROOT) {
  const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  return runCommand(process.execPath, [tsc, "--ignoreConfig", ...args], { cwd, timeoutMs: 60_000 });
}

/** Whether the declarations of a package, or those that they import, use the types of Node.js. */
async function needsNodeTypes({ dir, name, exports }) {
  const file = join(ROOT, dir, ".readme-types.ts");
  const entries = exports.map((path, index) => `export * as entry${index} from "${name}${path.slice(1)}";`);
  writeFileSync(file, entries.join("\n"));
  try {
    const options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2022"];
    // Without `--types`, some compilers load all the types that are installed.
    const { code, output } = await compile([...options, "--types", "", "--listFiles", file], join(ROOT, dir));
    // A declaration that refers to the types of Node.js loads them if they are installed.
    return code !== 0 || output.includes("/@types/node/");
  } finally {
    rmSync(file);
  }
}

it("the packages that a program imports and that a line installs are found", () => {
  const program = 'import { once } from "node:events";\nimport a from "@cm/a/b";\nimport { c } from "c/d";\n';
  expect(importedBy(program)).toEqual(["@cm/a", "c"]);
  expect(["@cm/a", "@cm/a@1", "vitest@4", "uNetworking/uWebSockets.js#v20", "ws"].map(nameOf)).toEqual([
    "@cm/a",
    "@cm/a",
    "vitest",
    "uWebSockets.js",
    "ws",
  ]);
});

it("a line that a program does not print in its place is found", () => {
  const program = "console.log(1); // one\nconsole.log(2); // two\n});  // no\n}); // three\n";
  expect(missingLine(program, "one\ntwo\nthree\n")).toBeUndefined();
  expect(missingLine(program, "two\none\nthree\n")).toBe("two");
  expect(missingLine(program, "one\ntwo\n")).toBe("three");
});
