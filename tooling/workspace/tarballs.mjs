import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { localTool, pnpmCommand, runCommand } from "./command.mjs";
import { filesUnder } from "./stamp.mjs";
import { publishablePackages } from "./workspace.mjs";

/** Packs every published package as a release would, and looks at the tarballs alone. */
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
  const faults = tarballFaults(listed.output.trim().split("\n"), new Set(filesUnder(`${dir}/src`)), dir);
  let passed = faults.length === 0 || report(name, faults.join("\n"));
  for (const [tool, args] of [
    ["publint", ["run", tarball, "--strict"]],
    // ESM only by decision: the profile leaves out what would only matter to require() of CommonJS.
    ["attw", [tarball, "--profile", "esm-only", "--no-emoji", "--no-color"]],
  ]) {
    const { code, output } = await runCommand(localTool(tool), args);
    if (code !== 0) passed = report(`${name}: ${tool}`, output);
  }
  return passed;
}

/** What should not be in a tarball, or is missing there. */
export function tarballFaults(entries, sources, dir) {
  const faults = [];
  for (const entry of entries.map((path) => path.replace(/^package\//, ""))) {
    if (/\.(test|fixture)\.|\.tsbuildinfo$/.test(entry)) faults.push(`${entry} has no place in a release`);
    const compiled = /^dist\/(.+)\.js$/.exec(entry);
    if (compiled !== null && !sources.has(`${dir}/src/${compiled[1]}.ts`)) {
      faults.push(`${entry} has no source any more; remove ${dir}/dist and build again`);
    }
  }
  for (const wanted of ["LICENSE", "README.md", "dist/index.js", "dist/index.d.ts"]) {
    if (!entries.includes(`package/${wanted}`)) faults.push(`${wanted} is missing`);
  }
  return faults;
}

function report(what, output) {
  console.error(`${what}:\n${output.trimEnd()}\n`);
  return false;
}
