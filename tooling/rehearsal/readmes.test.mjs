import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, inject, it } from "vitest";
import { runCommand } from "../workspace/child-commands.mjs";
import { publishablePackages, ROOT } from "../workspace/workspace.mjs";
import { installedBy, isTestFile, missingLine, programOf, promisedLines } from "./readme-programs.mjs";

const READMES = publishablePackages().map(({ dir, manifest }) => ({
  dir,
  name: manifest.name,
  readme: readFileSync(join(ROOT, dir, "README.md"), "utf8"),
}));

describe("the README of a package", () => {
  it.each(READMES)(
    "$name has an install line, and a program that prints what it says",
    async ({ dir, name, readme }) => {
      expect(installedBy(readme)).toContain(name);
      const program = programOf(readme);
      expect(promisedLines(program).length).toBeGreaterThan(0);
      // Within the package, so that its own name and its development dependencies are found.
      const isTest = isTestFile(program);
      const file = join(ROOT, dir, isTest ? ".readme-program.test.mjs" : ".readme-program.mjs");
      // Otherwise vitest uses the configuration of this workspace, which is in a parent folder.
      const config = join(ROOT, dir, ".readme-vitest.mjs");
      writeFileSync(config, "export default {};");
      writeFileSync(file, program);
      try {
        // All others run in memory: with Redis, they would share the default prefix.
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

  it.each(["Promises", "Options", "Weight"])("has a section: %s", (title) => {
    for (const { name, readme } of READMES) expect(readme, name).toMatch(new RegExp(`^#+ ${title}$`, "m"));
  });
});

it("a line that a program does not print in its place is found", () => {
  const program = "console.log(1); // one\nconsole.log(2); // two\n});  // no\n}); // three\n";
  expect(missingLine(program, "one\ntwo\nthree\n")).toBeUndefined();
  expect(missingLine(program, "two\none\nthree\n")).toBe("two");
  expect(missingLine(program, "one\ntwo\n")).toBe("three");
});
