import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { publishablePackages, ROOT, SetupError } from "../workspace/workspace.mjs";
import { inTurn } from "./in-turn.mjs";
import { installedVersions } from "./projects.mjs";
import { installedBy, isTestFile, missingLine, programOf } from "./readme.mjs";

/**
 * Program that imports and requires every entry of the named packages: both must give the same names, and at
 * least one.
 */
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

/** What a store on Redis says where its peer was not installed. */
const WITHOUT_PEER = `
import { createRedisStore } from "@cm/redis-store";
await createRedisStore({ url: "redis://127.0.0.1:1" }).start().catch(({ code, message }) => console.log(code, message));
`;

/**
 * Packages whose README programs are run by a workspace test, because they need Redis, or uWebSockets.js,
 * which is not in the registry.
 */
const NOT_HERE = new Set(["@cm/redis-store", "@cm/server-uws"]);

/**
 * Installs each package alone with npm, with the packages named in its README with pnpm, which hides
 * undeclared dependencies, and all except the suites together with yarn, which does not install peers. Each
 * package is imported and required, and its README's program must print what it promises.
 */
export async function checkInstallations(projects, versions) {
  const names = Object.keys(versions);
  const jobs = names.flatMap((name) => [
    async () => installed(projects, "npm", `npm-${name.slice(4)}`, [name], versions),
    async () => asItsReadmeSays(projects, name, versions),
  ]);
  // Yarn resolves vitest's dependencies for every platform, and not every registry has all of them.
  const withYarn = names.filter((name) => name !== "@cm/contract-tests");
  jobs.push(async () => installed(projects, "yarn", "yarn-all", [...withYarn, "ws", "ioredis"], versions));
  jobs.push(async () => withoutPeer(projects));
  await inTurn(jobs);
}

/** Checks that a store on Redis says what to install, in a project whose manager installs no peers. */
async function withoutPeer(projects) {
  const dir = projects.create("npm-without-peer", { "main.mjs": WITHOUT_PEER });
  await projects.npm(dir, "install", "--legacy-peer-deps", "@cm/redis-store");
  const printed = await projects.node(dir, "main.mjs");
  if (!/^options-invalid .*npm install ioredis\.$/m.test(printed)) {
    throw new SetupError(`A store without ioredis does not say what to install:\n${printed}`);
  }
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
  // pnpm links to its own store folder, which has one folder per version.
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
      // By default, yarn refuses packages that were published less than a day ago.
      'npmPreapprovedPackages: ["@cm/*"]',
      "",
    ].join("\n"),
    "yarn.lock": "",
  };
}
