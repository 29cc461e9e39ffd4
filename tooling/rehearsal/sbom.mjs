import { SetupError } from "../workspace/workspace.mjs";

/** Whether the release wrote down what it brings, under the version that it published. */
export function checkSbom(copy, versions) {
  const { metadata, components } = JSON.parse(copy.read("sbom.cdx.json"));
  const [version] = Object.values(versions);
  if (metadata.component.version !== version) {
    throw new SetupError(`The bill of materials is of ${metadata.component.version}, not ${version}.`);
  }
  for (const name of ["ioredis", "ws", "jose"]) {
    if (!components.some((component) => component.name === name)) throw new SetupError(`It does not name ${name}.`);
  }
}
