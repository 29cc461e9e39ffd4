import { SetupError } from "../workspace/workspace.mjs";
import { REPOSITORY_URL } from "./source-copy.mjs";

const DEPENDENCY_FIELDS = ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"];

/**
 * Checks that each package is in the registry with its version, and that its manifest works outside of the
 * workspace.
 */
export async function checkManifests(registry, versions) {
  const faults = [];
  for (const [name, version] of Object.entries(versions)) {
    const manifest = (await registry.document(name)).versions[version];
    if (manifest === undefined) faults.push(`${name}@${version} was not published`);
    else faults.push(...manifestFaults(manifest, versions).map((fault) => `${name}@${version}: ${fault}`));
  }
  if (faults.length > 0) throw new SetupError(faults.join("\n"));
}

/** The faults of a published manifest; `versions` are those of all packages. */
export function manifestFaults(manifest, versions) {
  const faults = [];
  for (const field of DEPENDENCY_FIELDS) {
    for (const [name, range] of Object.entries(manifest[field] ?? {})) {
      const where = `${field} has ${name}@${range}`;
      if (/^(workspace|catalog|link|file|npm|git|github):|\//.test(range))
        faults.push(`${where}, which no registry resolves`);
      if (name in versions && range !== `^${versions[name]}`) faults.push(`${where} beside version ${versions[name]}`);
      if (name.startsWith("@cm/") && !(name in versions)) faults.push(`${where}, which is not published`);
    }
  }
  // The registry has no package of this name: an installation by name would fail with 404.
  const native = "uWebSockets.js";
  if (manifest.dependencies?.[native] !== undefined) faults.push(`it depends on ${native}`);
  if (manifest.peerDependencies?.[native] !== undefined && manifest.peerDependenciesMeta?.[native]?.optional !== true) {
    faults.push(`its peer ${native} is not optional`);
  }
  for (const field of ["description", "license", "engines", "exports"]) {
    if (manifest[field] === undefined) faults.push(`it has no ${field}`);
  }
  if (!manifest.repository?.url.includes(REPOSITORY_URL)) faults.push("its repository is not the one of this release");
  if (manifest.repository?.directory === undefined) faults.push("its repository has no directory");
  for (const address of [manifest.homepage, manifest.bugs?.url]) {
    if (!address?.startsWith(REPOSITORY_URL)) faults.push(`${address} is not an address of its repository`);
  }
  return faults;
}
