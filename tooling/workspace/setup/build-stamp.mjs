import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT, rootManifest, workspacePackages } from "../workspace.mjs";

const STAMPS = join(ROOT, "node_modules", ".cm");

/** Whether the stamp of that name was written for exactly this state. */
export function stampIsCurrent(name, state) {
  const file = join(STAMPS, name);
  return state !== undefined && existsSync(file) && readFileSync(file, "utf8") === state;
}

export function writeStamp(name, state) {
  mkdirSync(STAMPS, { recursive: true });
  writeFileSync(join(STAMPS, name), state);
}

/** Called before the work that the stamp records, so that a failed attempt leaves no stamp. */
export function removeStamp(name) {
  rmSync(join(STAMPS, name), { force: true });
}

/**
 * A hash of everything that an installation depends on, or `undefined` if the installation is incomplete. It
 * includes platform and Node ABI, because native packages differ by both.
 */
export function installState() {
  const packages = workspacePackages();
  const { dependencies, devDependencies } = rootManifest();
  const holders = [{ dir: ".", manifest: { dependencies, devDependencies } }, ...packages];
  for (const { dir, manifest } of holders) {
    const wanted = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
    if (wanted.some((name) => !existsSync(join(ROOT, dir, "node_modules", name)))) return undefined;
  }
  const hash = createHash("sha256");
  hash.update(`${process.platform} ${process.arch} ${process.versions.modules}\n`);
  const manifests = ["package.json", ...packages.map(({ dir }) => `${dir}/package.json`)];
  for (const file of ["pnpm-lock.yaml", "pnpm-workspace.yaml", ...manifests]) hashContent(hash, file);
  return hash.digest("hex");
}

/**
 * A hash of everything that a build reads (without tests) and of what it wrote, or `undefined` if a package
 * was never built.
 */
export function buildState() {
  const hash = createHash("sha256");
  hash.update(`${installState()}\n`);
  for (const file of filesUnder("tooling/typescript")) hashContent(hash, file);
  for (const { dir, manifest } of workspacePackages()) {
    if (manifest.scripts?.build === undefined) continue;
    for (const folder of ["src", "public"]) {
      for (const file of filesUnder(`${dir}/${folder}`)) if (!/\.test\.ts$/.test(file)) hashContent(hash, file);
    }
    if (existsSync(join(ROOT, dir, "tsconfig.json"))) hashContent(hash, `${dir}/tsconfig.json`);
    const built = filesUnder(`${dir}/dist`);
    if (built.length === 0) return undefined;
    for (const file of built) {
      const { size, mtimeMs } = statSync(join(ROOT, file));
      hash.update(`${file} ${size} ${mtimeMs}\n`);
    }
  }
  return hash.digest("hex");
}

/** Every file below a folder of the checkout, relative to ROOT and sorted; empty if there is no such folder. */
export function filesUnder(folder) {
  if (!existsSync(join(ROOT, folder))) return [];
  return readdirSync(join(ROOT, folder), { withFileTypes: true })
    .flatMap((entry) => {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) return filesUnder(path);
      return [path];
    })
    .sort();
}

function hashContent(hash, file) {
  hash.update(`${file}\n`);
  hash.update(readFileSync(join(ROOT, file)));
}
