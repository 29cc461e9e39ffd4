import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gatewayVariables } from "../../apps/gateway/dist/config/config-reader.js";
import { ERROR_CODES } from "../../packages/protocol/dist/errors.js";
import { KEY_TABLE } from "../../packages/redis-store/dist/keys/key-table.js";
import { filesUnder } from "../workspace/setup/build-stamp.mjs";
import { publishablePackages, ROOT } from "../workspace/workspace.mjs";
import { codeBlock, comparisonTable, decisionTable, keyTable, packageTable, variableTable } from "./page-tables.mjs";
import { errorsOf, errorTable, optionTable, partErrorTable, replaceGenerated, weightOf } from "./readme-tables.mjs";
import { functionsOf, importedFrom } from "./source-code.mjs";

const CONTENTS = JSON.parse(readFileSync(join(ROOT, "tooling/workspace/tarball-contents.json"), "utf8"));

/** This page is excluded, because its markers belong to tooling/protocol-docs. */
const PROTOCOL_PAGE = "docs/protocol.md";

const read = (path) => readFileSync(join(ROOT, path), "utf8");

/**
 * Generates the text between the markers of each package's README, of the main README and of the pages in docs:
 * from `<!-- generated: <kind> <arguments> -->` to `<!-- generated: end -->`. With `--check`, writes nothing, and
 * fails if a page differs from the code.
 *
 * Kinds in a package's README: `options <file> <interface>`, `errors`, `errors-of-parts` (those of the packages
 * that it depends on) and `weight`. Kinds on other pages: `code <file> [<region>]` (a file of the repository, or
 * the lines between `// #region <region>` and `// #endregion`), `variables`, `packages`, `decisions`, `keys` (of
 * the Redis store) and `comparison` (ratios of docs/performance.md).
 */
const checking = process.argv.includes("--check");
const stale = [];

function write(file, make) {
  if (!existsSync(join(ROOT, file))) return;
  const text = read(file);
  const written = replaceGenerated(text, (kind, args) => {
    const made = make(kind, args);
    if (made === undefined) throw new Error(`${file}: nothing generates "${kind}"`);
    return made;
  });
  if (written === text) return;
  if (checking) stale.push(file);
  else writeFileSync(join(ROOT, file), written);
}

const packages = new Map(publishablePackages().map((each) => [each.manifest.name, each]));

/** The errors that all stores share, in the folder of `@cm/protocol/store`. */
const STORE_ERRORS = "packages/protocol/src/store/errors.ts";

/**
 * Returns the errors that a package's code throws, without those of the test code that the package ships. The errors
 * that stores share count for the packages that import them.
 */
function thrownBy({ dir }) {
  const sources = filesUnder(`${dir}/src`)
    .filter((path) => path.endsWith(".ts") && !/\.(test|fixture)\.ts$/.test(path) && !path.endsWith(STORE_ERRORS))
    .map(read)
    .filter((source) => !importedFrom(source, "vitest").includes("expect"));
  return errorsOf([...sources, ...sharedErrors(sources)], ERROR_CODES);
}

/** Returns the functions of `@cm/protocol/store` that create errors and that the sources import. */
function sharedErrors(sources) {
  const imported = sources.flatMap((source) => importedFrom(source, "@cm/protocol/store"));
  return [...functionsOf(read(STORE_ERRORS))].flatMap(([name, text]) => (imported.includes(name) ? [text] : []));
}

/**
 * Returns the packages of this workspace that a package depends on, at any depth. `@cm/protocol` is left out,
 * because its errors concern arguments and frames, or parts that only some packages use.
 */
function partsOf({ manifest }) {
  const names = new Set();
  const visit = ({ dependencies = {} }) => {
    for (const name of Object.keys(dependencies)) {
      if (name === "@cm/protocol" || names.has(name) || !packages.has(name)) continue;
      names.add(name);
      visit(packages.get(name).manifest);
    }
  };
  visit(manifest);
  return [...names].sort().map((name) => packages.get(name));
}

for (const each of packages.values()) {
  const { dir, manifest } = each;
  write(`${dir}/README.md`, (kind, args) => {
    if (kind === "options") return optionTable(read(`${dir}/${args[0]}`), args[1]);
    if (kind === "errors") return errorTable(thrownBy(each));
    if (kind === "errors-of-parts") {
      const parts = partsOf(each).map((part) => ({ name: part.manifest.name, errors: thrownBy(part) }));
      return partErrorTable(thrownBy(each), parts);
    }
    if (kind === "weight") return weightOf(manifest, CONTENTS[manifest.name]);
    return undefined;
  });
}

const pages = ["README.md", ...filesUnder("docs").filter((path) => path.endsWith(".md") && path !== PROTOCOL_PAGE)];
for (const page of pages) {
  write(page, (kind, args) => {
    if (kind === "code") return codeBlock(read(args[0]), args[0], args[1]);
    if (kind === "variables") {
      return variableTable(read("apps/gateway/src/config/gateway-config.ts"), gatewayVariables());
    }
    if (kind === "packages") return packageTable(publishablePackages(), page);
    if (kind === "decisions") {
      const records = filesUnder("docs/decisions").filter((path) => /\/\d{4}-/.test(path));
      return decisionTable(records.map((path) => ({ path, text: read(path) })));
    }
    if (kind === "keys") return keyTable(KEY_TABLE);
    if (kind === "comparison") return comparisonTable(read("docs/performance.md"));
    return undefined;
  });
}

if (stale.length > 0) {
  console.error(`These differ from the code; run \`npm run codegen\`: ${stale.join(", ")}`);
  process.exit(1);
}
