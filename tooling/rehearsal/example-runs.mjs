import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { ROOT, SetupError } from "../workspace/workspace.mjs";
import { runJobs } from "./concurrent-jobs.mjs";

const EXAMPLES = join(ROOT, "examples");

/**
 * Examples that need Redis. The others run in memory here; a workspace test runs them with Redis if they can use
 * it.
 */
const NEEDS_REDIS = new Set(["01-rooms-for-ws", "16-rooms-and-presence-for-ws"]);

/** The silence after which a server counts as dead, in milliseconds, for the example that kills one. */
const DEAD_AFTER_MS = "500";

/**
 * pnpm fails an installation if a package has an install script about which the project's `pnpm-workspace.yaml` says
 * nothing. esbuild's script only makes its command start faster.
 */
const PNPM_SETTINGS = new Map([["14-browser-bundle", "allowBuilds:\n  esbuild: false\n"]]);

const COMPILERS = ["5.4", "5.9", "6", "7"];

/** A program whose module resolution does not read `exports`, and the compiler's hint. */
const OLD_RESOLUTION = {
  source: 'import { createRouter } from "@cm/router";\nconsole.log(createRouter);\n',
  compiler: "5.9",
  args: ["--noEmit", "--module", "commonjs", "--moduleResolution", "node10"],
  hint: "Consider updating to 'node16', 'nodenext', or 'bundler'",
};

const MODES = [
  { module: "nodenext", moduleResolution: "nodenext" },
  { module: "esnext", moduleResolution: "bundler" },
];

/**
 * Installs each example as a project of its own, builds it with its own compiler, runs it, and runs its tests if it
 * has some: once with npm and once with pnpm. Those that need Redis get one.
 */
export async function runExamples(projects, versions) {
  // Imported dynamically, because this program may have built the test kit only now.
  const { startRedis } = await import("@cm/test-kit");
  const redis = await startRedis();
  try {
    await runJobs(exampleJobs(projects, versions, redis.url));
  } finally {
    await redis.close();
  }
}

function exampleJobs(projects, versions, redisUrl) {
  return exampleNames().flatMap((name) => {
    const manifest = resolvedManifest(name, versions);
    const create = (project) => {
      const dir = projects.create(project);
      copyProject(name, dir);
      writeFileSync(join(dir, "package.json"), JSON.stringify(manifest));
      return dir;
    };
    const buildAndRun = async (dir, run) => {
      await run(dir, "install");
      await run(dir, "run", "build");
      const redis = { REDIS_URL: redisUrl, REDIS_PREFIX: basename(dir), DEAD_AFTER_MS };
      await projects.node(dir, [join("dist", "main.js")], NEEDS_REDIS.has(name) ? redis : {});
      if (manifest.scripts.test !== undefined) await run(dir, "test");
    };
    const byNpm = () => buildAndRun(create(`example-${name}`), (dir, ...args) => projects.npm(dir, ...args));
    const byPnpm = () => {
      const dir = create(`example-${name}-pnpm`);
      const settings = PNPM_SETTINGS.get(name);
      if (settings !== undefined) writeFileSync(join(dir, "pnpm-workspace.yaml"), settings);
      return buildAndRun(dir, (project, ...args) => projects.pnpm(project, ...args));
    };
    return [byNpm, byPnpm];
  });
}

/**
 * Checks the types of all examples in one project, with each compiler and both kinds of module resolution.
 * The newest compiler also checks the packages' declarations (no `skipLibCheck`).
 */
export async function checkTypes(projects, versions) {
  const names = exampleNames();
  const manifests = names.map((name) => resolvedManifest(name, versions));
  const dir = projects.create("example-types");
  for (const name of names) cpSync(join(EXAMPLES, name, "src"), join(dir, "src", name), { recursive: true });
  const { typescript: _, ...types } = Object.assign({}, ...manifests.map(({ devDependencies }) => devDependencies));
  const dependencies = Object.assign({}, ...manifests.map(({ dependencies: each }) => each));
  const compilers = Object.fromEntries(
    COMPILERS.map((version) => [`typescript-${version}`, `npm:typescript@${version}`]),
  );
  const manifest = { private: true, type: "module", dependencies, devDependencies: { ...types, ...compilers } };
  writeFileSync(join(dir, "package.json"), JSON.stringify(manifest));
  await projects.npm(dir, "install");
  const faults = [];
  for (const mode of MODES) {
    const options = {
      ...mode,
      target: "es2022",
      lib: ["es2023", "esnext.disposable", "dom"],
      types: ["node"],
      strict: true,
      noEmit: true,
    };
    writeFileSync(join(dir, "tsconfig.json"), JSON.stringify({ compilerOptions: options, include: ["src"] }));
    for (const version of COMPILERS) {
      // Only the newest compiler checks declarations of other packages, which older ones may not be able to read.
      const args = version === COMPILERS.at(-1) ? [] : ["--skipLibCheck"];
      const compiler = join("node_modules", `typescript-${version}`, "bin", "tsc");
      const failure = await projects.node(dir, [compiler, ...args]).then(
        () => undefined,
        (error) => error,
      );
      if (failure !== undefined) faults.push(`TypeScript ${version}, ${mode.moduleResolution}:\n${failure.message}`);
    }
  }
  if (faults.length > 0) throw new SetupError(faults.join("\n\n"));
  await checkOldResolution(projects, dir);
}

/** Checks that the compiler names the setting to use if the project's kind of module resolution finds no types. */
async function checkOldResolution(projects, dir) {
  const { source, compiler, args, hint } = OLD_RESOLUTION;
  writeFileSync(join(dir, "old-resolution.ts"), source);
  const tsc = join("node_modules", `typescript-${compiler}`, "bin", "tsc");
  const said = await projects.node(dir, [tsc, ...args, "old-resolution.ts"]).catch((error) => error.message);
  if (!said.includes(hint)) throw new SetupError(`TypeScript does not say what to set:\n${said}`);
}

function exampleNames() {
  return readdirSync(EXAMPLES)
    .filter((name) => /^\d\d-/.test(name))
    .sort();
}

function copyProject(name, dir) {
  for (const part of ["src", "tsconfig.json", "vitest.config.js"]) {
    if (existsSync(join(EXAMPLES, name, part)))
      cpSync(join(EXAMPLES, name, part), join(dir, part), { recursive: true });
  }
}

/**
 * Returns an example's manifest as its README says to write it: with version ranges instead of those of the
 * workspace.
 */
function resolvedManifest(name, versions) {
  const manifest = JSON.parse(readFileSync(join(EXAMPLES, name, "package.json"), "utf8"));
  const catalog = readFileSync(join(ROOT, "pnpm-workspace.yaml"), "utf8");
  const resolve = (ranges) =>
    Object.fromEntries(
      Object.entries(ranges).map(([id, range]) => {
        if (range === "workspace:^") return [id, `^${versions[id]}`];
        const line = catalog.split("\n").find((each) => each.trim().replaceAll('"', "").startsWith(`${id}: `));
        if (line === undefined) throw new SetupError(`${name}: ${id} is not in the catalog.`);
        return [id, line.slice(line.indexOf(": ") + 2).trim()];
      }),
    );
  return {
    ...manifest,
    dependencies: resolve(manifest.dependencies),
    devDependencies: resolve(manifest.devDependencies),
  };
}
