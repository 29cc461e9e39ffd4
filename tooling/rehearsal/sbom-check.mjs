import { SetupError } from "../workspace/workspace.mjs";

/** Checks that the release wrote a bill of materials with the published version. */
export function checkSbom(copy, versions) {
  const { metadata, components } = JSON.parse(copy.read("sbom.cdx.json"));
  const [version] = Object.values(versions);
  if (metadata.component.version !== version) {
    throw new SetupError(`The bill of materials is of ${metadata.component.version}, not ${version}.`);
  }
  const named = new Set(components.map(({ group, name }) => (group ? `${group}/${name}` : name)));
  for (const name of [...Object.keys(versions), "ioredis", "ws", "jose"]) {
    if (!named.has(name)) throw new SetupError(`The bill of materials does not name ${name}.`);
  }
}
