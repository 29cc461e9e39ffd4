import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The root folder of the checkout, independent of the working directory. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** An error that is shown without its stack, because its message says what to do. */
export class SetupError extends Error {}

/** The root package.json. */
export function rootManifest() {
  return readManifest(ROOT);
}

/**
 * The packages of the workspace as `{ dir, manifest }`, with `dir` relative to ROOT. Supports only the two
 * pattern forms that pnpm-workspace.yaml uses, so that no YAML parser is needed before the installation.
 */
export function workspacePackages() {
  return packagePatterns()
    .flatMap((pattern) => {
      if (!pattern.includes("*")) return [pattern];
      if (!/^[^*]+\/\*$/.test(pattern)) {
        throw new SetupError(`pnpm-workspace.yaml: "${pattern}" is neither a folder nor "folder/*".`);
      }
      const parent = pattern.slice(0, -2);
      if (!existsSync(join(ROOT, parent))) return [];
      return readdirSync(join(ROOT, parent))
        .sort()
        .map((name) => `${parent}/${name}`);
    })
    .filter((dir) => existsSync(join(ROOT, dir, "package.json")))
    .map((dir) => ({ dir, manifest: readManifest(join(ROOT, dir)) }));
}

/** The packages that are published. */
export function publishablePackages() {
  return workspacePackages().filter(({ manifest }) => manifest.private !== true);
}

function packagePatterns() {
  const lines = readFileSync(join(ROOT, "pnpm-workspace.yaml"), "utf8").split(/\r?\n/);
  const patterns = [];
  for (const line of lines.slice(lines.indexOf("packages:") + 1)) {
    const item = /^\s+-\s+["']?([^"'\s]+)["']?\s*$/.exec(line);
    if (item) patterns.push(item[1]);
    else if (/^\S/.test(line)) break;
  }
  if (patterns.length === 0) throw new SetupError("pnpm-workspace.yaml names no packages.");
  return patterns;
}

function readManifest(dir) {
  return JSON.parse(readFileSync(join(dir, "package.json"), "utf8"));
}
