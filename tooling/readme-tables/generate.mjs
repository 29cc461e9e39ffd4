import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ERROR_CODES } from "../../packages/protocol/dist/errors.js";
import { filesUnder } from "../workspace/stamp.mjs";
import { publishablePackages, ROOT } from "../workspace/workspace.mjs";
import { errorsOf, errorTable, optionTable, replaceGenerated, weightOf } from "./tables.mjs";

const CONTENTS = JSON.parse(readFileSync(join(ROOT, "tooling/workspace/tarball-contents.json"), "utf8"));

/**
 * Writes the tables between the markers of each package's README:
 * `<!-- generated: options <file> <interface> -->`, `<!-- generated: errors -->` and
 * `<!-- generated: weight -->`, each up to `<!-- generated: end -->`. With `--check` it
 * writes nothing, and fails where a README differs from the code.
 */
const checking = process.argv.includes("--check");
const stale = [];
for (const { dir, manifest } of publishablePackages()) {
  const file = join(ROOT, dir, "README.md");
  if (!existsSync(file)) continue;
  const text = readFileSync(file, "utf8");
  const sources = filesUnder(`${dir}/src`).filter(
    (path) => path.endsWith(".ts") && !/\.(test|fixture)\.ts$/.test(path),
  );
  const written = replaceGenerated(text, (kind, args) => {
    if (kind === "options") return optionTable(readFileSync(join(ROOT, dir, args[0]), "utf8"), args[1]);
    if (kind === "errors")
      return errorTable(
        errorsOf(
          sources.map((path) => readFileSync(join(ROOT, path), "utf8")),
          ERROR_CODES,
        ),
      );
    if (kind === "weight") return weightOf(manifest, CONTENTS[manifest.name]);
    throw new Error(`${dir}/README.md: nothing generates "${kind}"`);
  });
  if (written === text) continue;
  if (checking) stale.push(`${dir}/README.md`);
  else writeFileSync(file, written);
}
if (stale.length > 0) {
  console.error(`These differ from the code; run \`npm run codegen\`: ${stale.join(", ")}`);
  process.exit(1);
}
