import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { localTool, runCommand } from "../workspace/child-commands.mjs";
import { filesUnder } from "../workspace/setup/build-stamp.mjs";
import { ROOT, SetupError } from "../workspace/workspace.mjs";
import { PLACES } from "./site-paths.mjs";

const COMPILER_OPTIONS = {
  noEmit: true,
  // Programs in pages may be JavaScript, which has no type annotations.
  allowJs: true,
  checkJs: false,
  lib: ["ES2023", "DOM", "ESNext.Disposable", "ES2024.String"],
  types: ["node"],
};

/**
 * Returns the `js` and `ts` blocks of a page as `{ code, language, line }`. Blocks that are included from a file
 * of the repository are left out, because that file is compiled and run itself.
 */
export function codeBlocks(text) {
  const own = text.replace(/<!-- generated: code[\s\S]*?<!-- generated: end -->/g, (taken) =>
    taken.replace(/[^\n]/g, ""),
  );
  return [...own.matchAll(/^```(js|ts)\n([\s\S]*?)^```$/gm)].map(({ 1: language, 2: code, index }) => ({
    code,
    language,
    line: own.slice(0, index).split("\n").length + 1,
  }));
}

/** Compiles every `js` and `ts` block of docs/, each as a file of its own. Resolves to their number. */
export async function checkCodeBlocks() {
  rmSync(PLACES.blocks, { recursive: true, force: true });
  mkdirSync(PLACES.blocks, { recursive: true });
  const pages = filesUnder("docs").filter((path) => path.endsWith(".md"));
  let count = 0;
  for (const page of pages) {
    for (const { code, language, line } of codeBlocks(readFileSync(join(ROOT, page), "utf8"))) {
      // The compiler's messages contain the file name, so it has the page and the line at which the block begins.
      const name = `${page.replace(/\.md$/, "").replaceAll("/", "-")}-line-${line}.${language}`;
      // `export {}` makes every block a module, in which `await` is allowed, even without imports.
      writeFileSync(join(PLACES.blocks, name), `${code}\nexport {};\n`);
      count += 1;
    }
  }
  const config = { extends: "../../../typescript/base.json", compilerOptions: COMPILER_OPTIONS, include: ["*"] };
  writeFileSync(join(PLACES.blocks, "tsconfig.json"), JSON.stringify(config));
  writeFileSync(join(PLACES.blocks, "package.json"), JSON.stringify({ type: "module" }));
  const { code, output } = await runCommand(localTool("tsc"), ["-p", join(PLACES.blocks, "tsconfig.json")]);
  if (code !== 0) throw new SetupError(`Code of the pages does not compile:\n${output}`);
  return count;
}
