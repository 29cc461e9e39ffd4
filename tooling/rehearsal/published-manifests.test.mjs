import { expect, it } from "vitest";
import { manifestFaults } from "./published-manifests.mjs";

const VERSIONS = { "@cm/a": "0.1.0", "@cm/b": "0.1.0" };
const GOOD = {
  description: "A.",
  license: "MIT",
  engines: { node: ">=20.19.0" },
  exports: { ".": "./dist/index.js" },
  repository: { type: "git", url: "git+https://git.example/cm.git", directory: "packages/a" },
  homepage: "https://git.example/cm/tree/main/packages/a#readme",
  bugs: { url: "https://git.example/cm/issues" },
  dependencies: { "@cm/b": "^0.1.0", ws: "8.23.0" },
  peerDependencies: { "uWebSockets.js": "*" },
  peerDependenciesMeta: { "uWebSockets.js": { optional: true } },
};

it("a published manifest with ranges of a registry has no faults", () => {
  expect(manifestFaults(GOOD, VERSIONS)).toEqual([]);
});

it.each([
  [{ dependencies: { "@cm/b": "workspace:^" } }, "dependencies has @cm/b@workspace:^, which no registry resolves"],
  [{ peerDependencies: { ws: "catalog:" } }, "peerDependencies has ws@catalog:, which no registry resolves"],
  [{ dependencies: { "@cm/b": "^0.0.0" } }, "dependencies has @cm/b@^0.0.0 beside version 0.1.0"],
  [{ devDependencies: { "@cm/kit": "0.0.0" } }, "devDependencies has @cm/kit@0.0.0, which is not published"],
  [{ dependencies: { "uWebSockets.js": "20.57.0" } }, "it depends on uWebSockets.js"],
  [{ peerDependenciesMeta: undefined }, "its peer uWebSockets.js is not optional"],
  [{ license: undefined }, "it has no license"],
  [{ homepage: undefined }, "undefined is not an address of its repository"],
])("a published manifest with %o has a fault", (change, fault) => {
  expect(manifestFaults({ ...GOOD, ...change }, VERSIONS)).toContain(fault);
});
