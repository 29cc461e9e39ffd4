import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { mustRun, pnpmCommand, runAsProgram } from "./command.mjs";
import { publishablePackages, ROOT, SetupError } from "./workspace.mjs";

/** Where the bill of materials of a release lies. */
const SBOM_FILE = join(ROOT, "sbom.cdx.json");

/** Writes the bill of materials without a release: `npm run sbom`. */
await runAsProgram(import.meta.url, writeSbom);

/**
 * Writes down every package that an installation of the published ones brings, with its version, license
 * and checksum, as the lockfile has them: a bill of materials as CycloneDX JSON.
 */
export async function writeSbom() {
  const packages = publishablePackages();
  const filters = packages.flatMap(({ manifest }) => ["--filter", manifest.name]);
  const args = [...filters, "sbom", "--sbom-format", "cyclonedx", "--prod"];
  const output = await mustRun("pnpm sbom", ...pnpmCommand(args));
  // npx may say something before.
  const sbom = JSON.parse(output.slice(output.indexOf("{"), output.lastIndexOf("}") + 1));
  const { version } = JSON.parse(readFileSync(join(ROOT, packages[0].dir, "package.json"), "utf8"));
  const faults = sbomFaults(sbom);
  if (faults.length > 0) throw new SetupError(faults.join("\n"));
  // The workspace itself has no version; its packages share one.
  const component = { type: "library", "bom-ref": sbom.metadata.component["bom-ref"], name: "cm", version };
  writeFileSync(SBOM_FILE, `${JSON.stringify({ ...sbom, metadata: { ...sbom.metadata, component } }, null, 2)}\n`);
  console.log(`${SBOM_FILE}: ${sbom.components.length} packages`);
}

/** What makes a bill of materials useless: nothing in it, or packages without a version or a license. */
export function sbomFaults({ bomFormat, components = [] }) {
  if (bomFormat !== "CycloneDX" || components.length === 0) return ["pnpm sbom names no packages"];
  return components
    .filter(({ version, licenses = [] }) => !version || licenses.length === 0)
    .map(({ group, name, version }) => `${group ? `${group}/` : ""}${name}@${version} has no version or no license`);
}
