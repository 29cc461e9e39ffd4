import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, posix } from "node:path";
import { localTool, mustRun, pnpmCommand, runCommand } from "../child-commands.mjs";
import { filesUnder } from "../setup/build-stamp.mjs";
import { publishablePackages, ROOT } from "../workspace.mjs";

/**
 * For each package: the files that it ships in addition to its compiled sources, and the maximum size of its
 * tarball.
 */
const CONTENTS = JSON.parse(readFileSync(join(ROOT, "tooling", "workspace", "tarball-contents.json"), "utf8"));

/** Packs every published package as a release would, and checks the contents of the tarballs. */
export async function checkTarballs() {
  const folder = mkdtempSync(join(tmpdir(), "cm-pack-"));
  try {
    const packages = publishablePackages();
    const filters = packages.flatMap(({ manifest }) => ["--filter", manifest.name]);
    const packed = await runCommand(...pnpmCommand([...filters, "-r", "pack", "--pack-destination", folder]));
    if (packed.code !== 0) return report("pnpm pack", packed.output);
    let allPassed = true;
    for (const { dir, manifest } of packages) {
      const file = `${manifest.name.replace("@", "").replace("/", "-")}-${manifest.version}.tgz`;
      const tarball = join(folder, file);
      if (!readdirSync(folder).includes(file)) allPassed = report(manifest.name, `pnpm pack left no ${file}`);
      else if (!(await checkTarball(manifest.name, dir, tarball))) allPassed = false;
    }
    console.log(`${packages.length} packages`);
    return allPassed;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function checkTarball(name, dir, tarball) {
  const listed = await runCommand("tar", ["-tzf", tarball]);
  if (listed.code !== 0) return report(`${name}: tar`, listed.output);
  const entries = listed.output.trim().split("\n");
  // Require the changelog only if it exists: the first versioning creates it.
  const changelog = existsSync(join(ROOT, dir, "CHANGELOG.md")) ? ["CHANGELOG.md"] : [];
  const sources = new Set(filesUnder(`${dir}/src`));
  const faults = tarballFaults(entries, sources, dir, changelog);
  faults.push(...snapshotFaults(entries, statSync(tarball).size, sources, dir, CONTENTS[name]));
  faults.push(...(await contentFaults(tarball, entries)));
  let passed = faults.length === 0 || report(name, faults.join("\n"));
  for (const [tool, args] of [
    ["publint", ["run", tarball, "--strict"]],
    // ESM only by decision: the profile ignores problems that only concern require() from CommonJS.
    ["attw", [tarball, "--profile", "esm-only", "--no-emoji", "--no-color"]],
  ]) {
    const { code, output } = await runCommand(localTool(tool), args);
    if (code !== 0) passed = report(`${name}: ${tool}`, output);
  }
  return passed;
}

/** The faults in files of a tarball that refer to other files. */
async function contentFaults(tarball, entries) {
  const folder = mkdtempSync(join(tmpdir(), "cm-unpacked-"));
  try {
    await mustRun("Unpacking", "tar", ["-xzf", tarball, "-C", folder]);
    const paths = new Set(entries.map((path) => path.replace(/^package\//, "")));
    const read = (path) => readFileSync(join(folder, "package", path), "utf8");
    const maps = [...paths].filter((path) => path.endsWith(".map"));
    return [
      ...maps.flatMap((path) => sourceMapFaults(path, JSON.parse(read(path)), paths)),
      ...(paths.has("README.md") ? linkFaults(read("README.md"), paths) : []),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The sources that a source map neither contains nor finds among the files of its package. */
export function sourceMapFaults(path, { sources, sourcesContent = [] }, paths) {
  return sources
    .filter((source, index) => !sourcesContent[index] && !paths.has(posix.join(posix.dirname(path), source)))
    .map((source) => `${path} points at ${source}, which is not in the tarball`);
}

/** The links of a README that point neither to a file of its package nor to an address. */
export function linkFaults(readme, paths) {
  return [...readme.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target)
    .filter((target) => !/^(https?:|mailto:|#)/.test(target) && !paths.has(posix.normalize(target.split("#")[0])))
    .map((target) => `README.md links to ${target}, which is not in the tarball`);
}

/**
 * The differences between a tarball of `bytes` bytes and the package's entry in `tarball-contents.json`:
 * `files`, in addition to those compiled from each source, and `maxPackedKiB`.
 */
export function snapshotFaults(entries, bytes, sources, dir, expected) {
  const remedy = "see tooling/workspace/tarball-contents.json";
  if (!expected) return [`the package is not listed; ${remedy}`];
  const { files, maxPackedKiB } = expected;
  const compiled = [...sources]
    .filter((path) => path.endsWith(".ts") && !/\.(test|fixture|d)\.ts$/.test(path))
    .map((path) => path.slice(`${dir}/src/`.length, -".ts".length))
    .flatMap((path) => [".js", ".js.map", ".d.ts"].map((extension) => `dist/${path}${extension}`));
  const wanted = new Set([...files, ...compiled]);
  const found = new Set(entries.map((path) => path.replace(/^package\//, "")));
  const faults = [...found]
    // The changelog may be missing or new, because the first versioning creates it.
    .filter((path) => !wanted.has(path) && path !== "CHANGELOG.md")
    .map((path) => `${path} is new in the tarball; ${remedy}`);
  faults.push(...[...wanted].filter((path) => !found.has(path)).map((path) => `${path} is missing; ${remedy}`));
  if (bytes > maxPackedKiB * 1_024) {
    faults.push(`the tarball has ${Math.ceil(bytes / 1_024)} KiB, more than ${maxPackedKiB}; ${remedy}`);
  }
  return faults;
}

/**
 * The files that must not be in a tarball, and those that are missing; `wanted` are required in addition to
 * the usual ones.
 */
export function tarballFaults(entries, sources, dir, wanted = []) {
  const faults = [];
  for (const entry of entries.map((path) => path.replace(/^package\//, ""))) {
    if (/\.(test|fixture)\.|\.tsbuildinfo$/.test(entry)) faults.push(`${entry} has no place in a release`);
    const compiled = /^dist\/(.+)\.js$/.exec(entry);
    if (compiled !== null && !sources.has(`${dir}/src/${compiled[1]}.ts`)) {
      faults.push(`${entry} has no source any more; remove ${dir}/dist and build again`);
    }
  }
  for (const file of ["LICENSE", "README.md", "dist/index.js", "dist/index.d.ts", ...wanted]) {
    if (!entries.includes(`package/${file}`)) faults.push(`${file} is missing`);
  }
  return faults;
}

function report(what, output) {
  console.error(`${what}:\n${output.trimEnd()}\n`);
  return false;
}
