import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import * as protocol from "./index.js";

/** The JSON of a file of this package. */
const read = (path: string): unknown => JSON.parse(readFileSync(new URL(`../${path}`, import.meta.url), "utf8"));

/**
 * The tests of the dependency rule check that the sources import only their own files, and nothing of the entry for
 * Node.js.
 */
describe("the package", () => {
  it("depends on nothing", () => {
    const manifest = read("package.json");
    expect(manifest).toMatchObject({ name: "@cm/protocol", type: "module", sideEffects: false });
    for (const field of ["dependencies", "peerDependencies", "optionalDependencies", "bundledDependencies"]) {
      expect(manifest).not.toHaveProperty(field);
    }
  });

  it("is compiled without the types of Node.js, so that nothing in it uses what only Node.js has", () => {
    expect(read("tsconfig.json")).toMatchObject({ compilerOptions: { types: [] }, include: ["src"] });
  });

  it("gives away no value that is undefined", () => {
    for (const [name, value] of Object.entries(protocol)) expect([name, typeof value]).not.toEqual([name, "undefined"]);
    expect(Object.keys(protocol)).toContain("decodeEnvelope");
  });
});
