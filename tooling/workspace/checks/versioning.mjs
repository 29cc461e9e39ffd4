import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { localTool, runCommand } from "../child-commands.mjs";
import { publishablePackages, ROOT, workspacePackages } from "../workspace.mjs";

/** The ranges that publishing replaces by the current version of the workspace package. */
const FOLLOWING_RANGES = new Set(["workspace:^", "workspace:~", "workspace:*"]);

/** Whether the next release can be versioned. Tried on a copy; the workspace is not changed. */
export async function checkVersioning() {
  const { faults, versions } = await tryVersioning();
  for (const fault of faults) console.error(fault);
  if (faults.length === 0) console.log(`the next release is ${Object.values(versions)[0]}`);
  return faults.length === 0;
}

/**
 * Runs `changeset version` on a temporary copy of the manifests and changesets. Resolves to
 * `{ faults, versions }`: the faults of the result, and the new version by package name. `changesets`
 * replaces the workspace's own (texts by file name).
 */
export async function tryVersioning({ changesets } = {}) {
  const copy = mkdtempSync(join(tmpdir(), "cm-version-"));
  try {
    copyWorkspace(copy);
    if (changesets !== undefined) replaceChangesets(copy, changesets);
    // Right after a release there are no changesets, but the next release must still work.
    if (changesetFiles(copy).length === 0) replaceChangesets(copy, { "trial.md": trialChangeset() });
    const { code, output } = await runCommand(localTool("changeset"), ["version"], { cwd: copy });
    if (code !== 0)
      return { faults: [`changeset version failed with exit code ${code}:\n${output.trimEnd()}`], versions: {} };
    return versioningResult(copy);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function versioningResult(copy) {
  const published = publishablePackages().map(({ dir, manifest }) => ({
    name: manifest.name,
    before: manifest.version,
    after: readManifest(join(copy, dir)).version,
    changelog: readIfThere(join(copy, dir, "CHANGELOG.md")),
  }));
  const manifests = workspacePackages().map(({ dir }) => readManifest(join(copy, dir)));
  const left = changesetFiles(copy).map((file) => `${file} was not consumed`);
  const versions = Object.fromEntries(published.map(({ name, after }) => [name, after]));
  return {
    faults: [...left, ...published.flatMap(releaseFaults), ...groupFaults(versions), ...rangeFaults(manifests)],
    versions,
  };
}

/** The faults in the versions of packages that are released together, by package name. */
export function groupFaults(versions) {
  if (new Set(Object.values(versions)).size === 1) return [];
  const list = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const remedy = "name each of them under fixed in .changeset/config.json";
  return [`the packages do not share a version: ${list.join(", ")}; ${remedy}`];
}

/** The faults of one package after versioning. `changelog` is `undefined` if there is none. */
export function releaseFaults({ name, before, after, changelog }) {
  const faults = [];
  if (!isNewer(after, before)) faults.push(`${name} went from ${before} to ${after}, which is no newer version`);
  if (changelog === undefined) faults.push(`${name} has no CHANGELOG.md`);
  else if (!changelog.split(/\r?\n/).includes(`## ${after}`)) faults.push(`${name}'s CHANGELOG.md lacks ${after}`);
  return faults;
}

/** The dependencies on workspace packages that would no longer resolve to them. */
export function rangeFaults(manifests) {
  const names = new Set(manifests.map(({ name }) => name));
  return manifests.flatMap((manifest) => {
    const ranges = { ...manifest.devDependencies, ...manifest.peerDependencies, ...manifest.dependencies };
    return Object.entries(ranges)
      .filter(([name, range]) => (names.has(name) ? !FOLLOWING_RANGES.has(range) : range.startsWith("workspace:")))
      .map(
        ([name, range]) =>
          `${manifest.name} depends on ${name}@${range}, which a release would not resolve to a package of the workspace`,
      );
  });
}

function isNewer(after, before) {
  const [newer, older] = [after, before].map((version) => version.split("-")[0].split(".").map(Number));
  for (const [index, part] of newer.entries()) if (part !== older[index]) return part > older[index];
  return before.includes("-") && after !== before;
}

/**
 * Copies manifests, changesets and changelogs, and links to the installed packages, because changesets loads
 * its changelog writer from there.
 */
function copyWorkspace(copy) {
  for (const file of ["package.json", "pnpm-workspace.yaml", "pnpm-lock.yaml", ".changeset"]) {
    cpSync(join(ROOT, file), join(copy, file), { recursive: true });
  }
  for (const { dir } of workspacePackages()) {
    for (const file of ["package.json", "CHANGELOG.md"].map((name) => join(dir, name))) {
      if (!existsSync(join(ROOT, file))) continue;
      mkdirSync(dirname(join(copy, file)), { recursive: true });
      cpSync(join(ROOT, file), join(copy, file));
    }
  }
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"), "dir");
}

function changesetFiles(copy) {
  return readdirSync(join(copy, ".changeset")).filter((file) => file.endsWith(".md") && file !== "README.md");
}

function replaceChangesets(copy, texts) {
  for (const file of changesetFiles(copy)) rmSync(join(copy, ".changeset", file));
  for (const [file, text] of Object.entries(texts)) writeFileSync(join(copy, ".changeset", file), text);
}

function trialChangeset() {
  const lines = publishablePackages().map(({ manifest }) => `"${manifest.name}": patch`);
  return `---\n${lines.join("\n")}\n---\n\nA trial.\n`;
}

function readManifest(dir) {
  return JSON.parse(readFileSync(join(dir, "package.json"), "utf8"));
}

function readIfThere(file) {
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}
