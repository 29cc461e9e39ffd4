import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { mustRun, pnpmCommand, runAsProgram } from "../child-commands.mjs";
import { publishablePackages, ROOT, SetupError } from "../workspace.mjs";

/** The file for the bill of materials of a release. */
const SBOM_FILE = join(ROOT, "sbom.cdx.json");

/** Writes the bill of materials without a release: `npm run sbom`. */
await runAsProgram(import.meta.url, writeSbom);

/**
 * Writes a bill of materials as CycloneDX JSON: every package that an installation of the published ones
 * includes, with its version, license and checksum, as in the lockfile.
 */
export async function writeSbom() {
  const packages = publishablePackages();
  const filters = packages.flatMap(({ manifest }) => ["--filter", manifest.name]);
  const args = [...filters, "sbom", "--sbom-format", "cyclonedx", "--prod"];
  const output = await mustRun("pnpm sbom", ...pnpmCommand(args));
  // npx may print something before the JSON.
  const sbom = JSON.parse(output.slice(output.indexOf("{"), output.lastIndexOf("}") + 1));
  const faults = sbomFaults(sbom);
  if (faults.length > 0) throw new SetupError(faults.join("\n"));
  const completed = completedSbom(sbom, packages);
  writeFileSync(SBOM_FILE, `${JSON.stringify(completed, null, 2)}\n`);
  console.log(`${SBOM_FILE}: ${completed.components.length} packages`);
}

/**
 * Completes pnpm's bill of materials. pnpm includes a workspace package only if another one needs it, and then
 * without its dependencies. This adds the other workspace packages, and the dependencies of each.
 */
export function completedSbom(sbom, packages) {
  const root = sbom.metadata.component["bom-ref"];
  const own = new Map(packages.map(({ manifest }) => [manifest.name, refOf(manifest)]));
  const ownRefs = new Set(own.values());
  const direct = new Set(sbom.dependencies.find(({ ref }) => ref === root)?.dependsOn);
  const known = new Set(sbom.components.map((component) => component["bom-ref"]));
  const refs = new Map(
    sbom.components
      .filter((component) => direct.has(component["bom-ref"]))
      .map((component) => [nameOf(component), component["bom-ref"]]),
  );
  const missing = packages.filter(({ manifest }) => !known.has(refOf(manifest)));
  const edges = packages.map(({ manifest }) => ({
    ref: refOf(manifest),
    dependsOn: Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })
      .map((name) => own.get(name) ?? refs.get(name))
      .filter((ref) => ref !== undefined),
  }));
  // The workspace itself has no version; its packages share one.
  const component = { type: "library", "bom-ref": root, name: "cm", version: packages[0].manifest.version };
  return {
    ...sbom,
    metadata: { ...sbom.metadata, component },
    components: [...missing.map(({ manifest }) => componentOf(manifest)), ...sbom.components],
    dependencies: [
      { ref: root, dependsOn: [...ownRefs] },
      ...edges,
      ...sbom.dependencies.filter(({ ref }) => ref !== root && !ownRefs.has(ref)),
    ],
  };
}

function componentOf(manifest) {
  const [group, name] = manifest.name.split("/");
  const { version, description, license } = manifest;
  const ref = refOf(manifest);
  return {
    type: "library",
    group,
    name,
    version,
    purl: ref,
    "bom-ref": ref,
    description,
    licenses: [{ license: { id: license } }],
  };
}

/** A package as a package URL, which is also its reference in the document. */
function refOf({ name, version }) {
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

function nameOf({ group, name }) {
  return group ? `${group}/${name}` : name;
}

/** The faults that make a bill of materials useless: it is empty, or has packages without a version or a license. */
export function sbomFaults({ bomFormat, components = [] }) {
  if (bomFormat !== "CycloneDX" || components.length === 0) return ["pnpm sbom names no packages"];
  return components
    .filter(({ version, licenses = [] }) => !version || licenses.length === 0)
    .map((component) => `${nameOf(component)}@${component.version} has no version or no license`);
}
