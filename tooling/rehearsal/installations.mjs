import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { publishablePackages, ROOT, SetupError } from "../workspace/workspace.mjs";
import { inTurn } from "./in-turn.mjs";
import { installedVersions } from "./projects.mjs";
import { installedBy, isTestFile, missingLine, programOf } from "./readme.mjs";

/** Imports every entry of the packages named, and requires it: both give the same names, and more than none. */
const LOADER = `
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
const require = createRequire(import.meta.url);
for (const name of process.argv.slice(2)) {
  const manifest = JSON.parse(readFileSync(new URL("node_modules/" + name + "/package.json", import.meta.url), "utf8"));
  for (const path of Object.keys(manifest.exports)) {
    const id = name + path.slice(1);
    const imported = Object.keys(await import(id));
    const required = Object.keys(require(id)).filter((key) => key !== "__esModule");
    if (imported.length === 0 || imported.join() !== required.filter((key) => imported.includes(key)).join()) {
      throw new Error(id + " gives " + imported.join() + " to import and " + required.join() + " to require");
    }
  }
  console.log(name, manifest.version);
}
`;

/** What runs elsewhere: a test of the workspace has a Redis, and uWebSockets.js, which no registry has. */
const NOT_HERE = new Set(["@cm/redis-store", "@cm/server-uws"]);

/**
 * Installs each package alone by npm, with what its README says by pnpm, which hides what was not
 * asked for, and all but the suites together by yarn, which installs no peers by itself. Each is
 * imported and required, and its README's program prints what it says.
 */
export async function checkInstallations(projects, versions) {
  const names = Object.keys(versions);
  const jobs = names.flatMap((name) => [
    async () => installed(projects, "npm", `npm-${name.slice(4)}`, [name], versions),
    async () => asItsReadmeSays(projects, name, versions),
  ]);
  // Yarn resolves what vitest brings for every platform, and not every registry has all of that.
  const withYarn = names.filter((name) => name !== "@cm/contract-tests");
  jobs.push(async () => installed(projects, "yarn", "yarn-all", [...withYarn, "ws", "ioredis"], versions));
  await inTurn(jobs);
}

async function asItsReadmeSays(projects, name, versions) {
  const { dir: source } = publishablePackages().find(({ manifest }) => manifest.name === name);
  const fromRegistry = installedBy(readFileSync(join(ROOT, source, "README.md"), "utf8")).filter(
    (argument) => !argument.includes("#"),
  );
  const dir = await installed(projects, "pnpm", `pnpm-${name.slice(4)}`, fromRegistry, versions);
  if (NOT_HERE.has(name)) return;
  const program = programOf(readFileSync(join(dir, "node_modules", name, "README.md"), "utf8"));
  const isTest = isTestFile(program);
  const file = isTest ? "readme.test.mjs" : "readme.mjs";
  writeFileSync(join(dir, file), program);
  const command = isTest ? [join("node_modules", "vitest", "vitest.mjs"), "run"] : [];
  const printed = await projects.node(dir, ...command, file);
  const missing = missingLine(program, printed);
  if (missing !== undefined) throw new SetupError(`The program of ${name} does not print "${missing}":\n${printed}`);
}

async function installed(projects, manager, project, wanted, versions) {
  const dir = projects.create(project, { "load.mjs": LOADER, ...(manager === "yarn" ? yarnFiles(projects) : {}) });
  if (manager === "npm") await projects.npm(dir, "install", ...wanted);
  else await projects[manager](dir, "add", ...wanted);
  const names = wanted.filter((name) => name in versions);
  const printed = await projects.node(dir, "load.mjs", ...names);
  for (const name of names) {
    if (!printed.includes(`${name} ${versions[name]}\n`))
      throw new SetupError(`${project} has another ${name}:\n${printed}`);
  }
  // pnpm links to a folder of its own, where each version is a folder.
  if (manager === "pnpm") return dir;
  const several = Object.entries(installedVersions(dir)).filter(([, found]) => found.length > 1);
  if (several.length > 0) throw new SetupError(`${project} has several versions: ${JSON.stringify(several)}`);
  return dir;
}

function yarnFiles({ registryUrl }) {
  return {
    ".yarnrc.yml": [
      "nodeLinker: node-modules",
      "unsafeHttpWhitelist: [127.0.0.1]",
      `npmScopes: { cm: { npmRegistryServer: "${registryUrl}" } }`,
      // By default yarn takes nothing that was published a day ago or later.
      'npmPreapprovedPackages: ["@cm/*"]',
      "",
    ].join("\n"),
    "yarn.lock": "",
  };
}
