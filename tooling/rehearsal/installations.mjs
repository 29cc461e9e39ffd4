import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { publishablePackages, ROOT, SetupError } from "../workspace/workspace.mjs";
import { runJobs } from "./concurrent-jobs.mjs";
import { installedVersions } from "./consumer-projects.mjs";
import { installedBy, isTestFile, missingLine, programOf } from "./readme-programs.mjs";

/** The limits and contents of each package, with the maximum size of an installation. */
const CONTENTS = JSON.parse(readFileSync(join(ROOT, "tooling", "workspace", "tarball-contents.json"), "utf8"));

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

/** Source of the options of a server on any transport, and of a function that prints why a part does not start. */
const SERVER_OPTIONS = `
const nothing = () => undefined;
const handler = { open: nothing, frame: nothing, binary: nothing, closed: nothing };
const options = {
  port: 0, subprotocols: ["x"], authenticate: nothing, nextConnectionId: nothing, handler, onError: nothing,
};
async function tell(part) {
  await part.start().catch(({ code, message }) => console.log(code, message));
  await part.close();
}
`;

const WITHOUT_NATIVE = `
import { createUwsServer } from "@cm/server-uws";
${SERVER_OPTIONS}
await tell(createUwsServer(options));
`;

const NATIVE_MISSING = /^native-load-failed .*npm install uNetworking\/uWebSockets\.js#v/m;

/**
 * Source of a program that prints what packages report in a project without their peers: two packages that load a
 * peer when they start, and the contract suites.
 */
const WITHOUT_PEERS = `
import { createRedisStore } from "@cm/redis-store";
import { createWsServer } from "@cm/server-ws";
${SERVER_OPTIONS}
await tell(createRedisStore({ url: "redis://127.0.0.1:1" }));
await tell(createWsServer(options));
await import("@cm/contract-tests").catch(({ code, message }) => console.log(code, message));
`;

/**
 * The lines that `WITHOUT_PEERS` prints. Node.js itself reports that vitest is missing, because it resolves the
 * imports of a module before it runs the module.
 */
const PEERS_MISSING = [
  /^options-invalid .*npm install ioredis\.$/m,
  /^options-invalid .*npm install ws\.$/m,
  /^ERR_MODULE_NOT_FOUND .*package 'vitest'/m,
];

/**
 * Packages whose README programs are run by a workspace test, because they need Redis, or uWebSockets.js,
 * which is not in the registry.
 */
const NOT_HERE = new Set(["@cm/redis-store", "@cm/server-uws"]);

/**
 * Installs each package in three ways: alone with npm, which must not take more space than its README says; with
 * the packages named in its README with pnpm, which hides undeclared dependencies; and together with all others,
 * except the contract suites, with yarn, which does not install peers. Each package is imported and required, has
 * a changelog with its version, and its README's program must print what it promises.
 */
export async function checkInstallations(projects, versions) {
  const names = Object.keys(versions);
  const jobs = names.flatMap((name) => [
    async () => checkSize(name, await installed(projects, "npm", `npm-${name.slice(4)}`, [name], versions)),
    async () => asItsReadmeSays(projects, name, versions),
  ]);
  // Yarn resolves vitest's dependencies for every platform, and not every registry has all of them.
  const withYarn = names.filter((name) => name !== "@cm/contract-tests");
  jobs.push(async () => installed(projects, "yarn", "yarn-all", [...withYarn, "ws", "ioredis"], versions));
  jobs.push(async () => withoutPeers(projects));
  jobs.push(async () => withoutNative(projects, versions));
  await runJobs(jobs);
}

/** Checks the size of a project in which npm has installed one package with its dependencies and peers. */
function checkSize(name, dir) {
  const modules = join(dir, "node_modules");
  const files = readdirSync(modules, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const bytes = files.reduce((sum, { parentPath, name: file }) => sum + statSync(join(parentPath, file)).size, 0);
  const { maxInstalledMiB } = CONTENTS[name];
  if (bytes > maxInstalledMiB * 2 ** 20) {
    const size = (bytes / 2 ** 20).toFixed(1);
    throw new SetupError(
      `${name} with its dependencies takes ${size} MiB, more than the ${maxInstalledMiB} that its README says.`,
    );
  }
}

/** Checks that packages say what to install, in a project whose manager installs no peers. */
async function withoutPeers(projects) {
  const dir = projects.create("npm-without-peers", { "main.mjs": WITHOUT_PEERS });
  const names = ["redis-store", "server-ws", "contract-tests"].map((name) => `@cm/${name}`);
  await projects.npm(dir, "install", "--legacy-peer-deps", ...names);
  // `@cm/contract-tests` depends on ws, which is therefore installed.
  rmSync(join(dir, "node_modules", "ws"), { recursive: true });
  const printed = await projects.node(dir, ["main.mjs"]);
  for (const line of PEERS_MISSING) {
    if (!line.test(printed)) throw new SetupError(`Without peers, a package does not say ${line}:\n${printed}`);
  }
}

/** Checks that @cm/server-uws, alone in a project of yarn, is installed and says at its start what to install. */
async function withoutNative(projects, versions) {
  const dir = await installed(projects, "yarn", "yarn-server-uws", ["@cm/server-uws"], versions);
  writeFileSync(join(dir, "main.mjs"), WITHOUT_NATIVE);
  const printed = await projects.node(dir, ["main.mjs"]);
  if (!NATIVE_MISSING.test(printed)) {
    throw new SetupError(`A server without uWebSockets.js does not say what to install:\n${printed}`);
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
  const printed = await projects.node(dir, [...command, file]);
  const missing = missingLine(program, printed);
  if (missing !== undefined) throw new SetupError(`The program of ${name} does not print "${missing}":\n${printed}`);
}

async function installed(projects, manager, project, wanted, versions) {
  const dir = projects.create(project, { "load.mjs": LOADER, ...(manager === "yarn" ? yarnFiles(projects) : {}) });
  if (manager === "npm") await projects.npm(dir, "install", ...wanted);
  else await projects[manager](dir, "add", ...wanted);
  const names = wanted.filter((name) => name in versions);
  const printed = await projects.node(dir, ["load.mjs", ...names]);
  for (const name of names) {
    if (!printed.includes(`${name} ${versions[name]}\n`))
      throw new SetupError(`${project} has another ${name}:\n${printed}`);
    const changelog = readFileSync(join(dir, "node_modules", name, "CHANGELOG.md"), "utf8");
    if (!changelog.split("\n").includes(`## ${versions[name]}`))
      throw new SetupError(`The changelog of ${name} in ${project} has no ${versions[name]}:\n${changelog}`);
  }
  // Projects of pnpm are not checked: pnpm links to its own store folder, which has one folder per version.
  if (manager === "pnpm") return dir;
  const several = Object.entries(installedVersions(dir)).filter(([, found]) => found.length > 1);
  if (several.length > 0) throw new SetupError(`${project} has several versions: ${JSON.stringify(several)}`);
  return dir;
}

function yarnFiles({ registryUrl }) {
  return {
    ".yarnrc.yml": [
      "nodeLinker: node-modules",
      // Allow HTTP: the registry of the environment may be on the local network, and the rehearsal's own one has
      // no TLS.
      'unsafeHttpWhitelist: ["*"]',
      `npmScopes: { cm: { npmRegistryServer: "${registryUrl}" } }`,
      // By default, yarn refuses packages that were published less than a day ago.
      'npmPreapprovedPackages: ["@cm/*"]',
      "",
    ].join("\n"),
    "yarn.lock": "",
  };
}
