// Generates src/scripts/scripts.generated.ts of a package from its lua/<concept>/*.lua. A script is
// identified by the name of its file, regardless of its folder. If its header says "Uses: a, b", the contents
// of lua/shared/a.lua and lua/shared/b.lua are put before it. If its header says "Flags: none" or "Flags:
// allow-oom", it gets a shebang: Redis then decides before the first write whether the script may run, and
// refuses scripts without allow-oom if memory is full. Without a shebang, only the first write is refused,
// and everything after a successful write is executed.
//
//   node generate.mjs            writes the module (run inside the package)
//   node generate.mjs --check    writes nothing; fails if the module is not up to date

import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

const HEADER = ["Purpose", "KEYS", "ARGV", "Returns", "Cost", "Cluster"];
const FLAGS = new Set(["none", "allow-oom"]);
const NAME = /^[a-z]+(-[a-z]+)+\.lua$/;
// These commands traverse the whole key space, which is forbidden in scripts.
const FORBIDDEN = /redis\.p?call\(\s*['"](KEYS|SCAN)['"]/i;

const folder = join(process.cwd(), "lua");
const sharedFolder = join(folder, "shared");
const target = join(process.cwd(), "src", "scripts", "scripts.generated.ts");

function headerOf(source) {
  return source.slice(0, source.search(/^[^-\n]/m));
}

/** Names of the shared parts that precede a script. */
function usesOf(source) {
  const names = /^-- Uses:(.*)$/m.exec(headerOf(source))?.[1] ?? "";
  return names
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

/** The shebang of a script whose header has flags. */
function shebangOf(source) {
  const flags = flagsOf(source);
  if (flags === undefined) return "";
  return flags === "none" ? "#!lua\n" : `#!lua flags=${flags}\n`;
}

function flagsOf(source) {
  return /^-- Flags:(.*)$/m.exec(headerOf(source))?.[1].trim();
}

/** The faults of a script, one line each. */
function faultsOf(file, source) {
  const faults = [];
  if (!NAME.test(basename(file))) faults.push("the name must be <thing>-<verb>.lua");
  const header = headerOf(source);
  for (const name of usesOf(source)) if (!shared.has(name)) faults.push(`there is no lua/shared/${name}.lua`);
  const flags = flagsOf(source);
  if (flags !== undefined && !FLAGS.has(flags)) faults.push(`the flags are none or allow-oom, not "${flags}"`);
  for (const field of HEADER) if (!header.includes(`-- ${field}:`)) faults.push(`the header lacks "${field}:"`);
  if (FORBIDDEN.test(source)) faults.push("KEYS and SCAN are not allowed");
  return faults.map((fault) => `lua/${file}: ${fault}`);
}

/** The script as it is sent to Redis: without comment lines and blank lines. */
function bare(source) {
  const lines = source.split("\n").filter((line) => line.trim() !== "" && !line.trim().startsWith("--"));
  return `${lines.join("\n")}\n`;
}

const shared = new Map();
for (const file of (await readdir(sharedFolder).catch(() => [])).sort()) {
  const source = await readFile(join(sharedFolder, file), "utf8");
  if (FORBIDDEN.test(source)) throw new Error(`lua/shared/${file}: KEYS and SCAN are not allowed`);
  shared.set(basename(file, ".lua"), bare(source));
}

const paths = (await readdir(folder, { recursive: true })).filter((path) => path.endsWith(".lua"));
const files = new Map();
const faults = [];
for (const path of paths.filter((path) => dirname(path) !== "shared").sort()) {
  const name = basename(path, ".lua");
  if (files.has(name)) faults.push(`lua/${path}: ${files.get(name)} has the same name`);
  else files.set(name, path);
}
const entries = [];
for (const [name, file] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
  const source = await readFile(join(folder, file), "utf8");
  faults.push(...faultsOf(file, source));
  const parts = usesOf(source).map((name) => shared.get(name) ?? "");
  const lua = [shebangOf(source), ...parts, bare(source)].join("");
  const sha1 = createHash("sha1").update(lua).digest("hex");
  entries.push(
    `  ${JSON.stringify(name)}: {\n    sha1: ${JSON.stringify(sha1)},\n    lua: ${JSON.stringify(lua)},\n  },`,
  );
}
if (faults.length > 0) {
  console.error(faults.join("\n"));
  process.exit(1);
}

const text = `// Generated from lua/ by tooling/lua-codegen. Change the scripts, then run the codegen task.

/** The scripts by name: what Redis runs, and the digest that it knows them by. */
export const SCRIPTS = {
${entries.join("\n")}
} as const;

/** The name of a script. */
export type ScriptName = keyof typeof SCRIPTS;
`;

const present = await readFile(target, "utf8").catch(() => "");
if (!process.argv.includes("--check")) {
  if (present !== text) await writeFile(target, text);
} else if (present !== text) {
  console.error("src/scripts/scripts.generated.ts is not what lua/ says. Run the codegen task and commit the result.");
  process.exit(1);
}
