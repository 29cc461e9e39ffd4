import { describe, expect, it } from "vitest";
import { publishablePackages } from "../workspace.mjs";
import { groupFaults, rangeFaults, releaseFaults, tryVersioning } from "./versioning.mjs";

const NAMES = publishablePackages().map(({ manifest }) => manifest.name);

describe("a trial of the next versions", () => {
  it("bumps every published package, and leaves the workspace as it is", async () => {
    const before = publishablePackages().map(({ manifest }) => manifest.version);
    const { faults, versions } = await tryVersioning();
    expect(faults).toEqual([]);
    expect(Object.keys(versions)).toEqual(NAMES);
    expect(publishablePackages().map(({ manifest }) => manifest.version)).toEqual(before);
  });

  it("gives all packages one version, a breaking change of one being breaking for all", async () => {
    const patch = '---\n"@cm/router": patch\n---\n\nText.\n';
    const breaking = '---\n"@cm/protocol": minor\n---\n\nText.\n';
    const { faults, versions } = await tryVersioning({ changesets: { "a.md": patch, "b.md": breaking } });
    expect(faults).toEqual([]);
    const [major, minor] = publishablePackages()[0].manifest.version.split(".").map(Number);
    expect(versions).toEqual(Object.fromEntries(NAMES.map((name) => [name, `${major}.${minor + 1}.0`])));
  });

  it("passes when no changeset is there, as right after a release", async () => {
    expect((await tryVersioning({ changesets: {} })).faults).toEqual([]);
  });

  it("fails with what changesets says when a changeset names a package that does not exist", async () => {
    const { faults } = await tryVersioning({ changesets: { "bad.md": '---\n"@cm/nothing": minor\n---\n\nText.\n' } });
    expect(faults).toEqual([expect.stringMatching(/^changeset version failed with exit code 1:.*@cm\/nothing/s)]);
  });

  it("fails for every package that a release would leave behind", async () => {
    const { faults } = await tryVersioning({ changesets: { "empty.md": "---\n---\n\nNothing.\n" } });
    for (const name of NAMES) expect(faults).toContain(`${name} has no CHANGELOG.md`);
  });
});

describe("the versions of a release", () => {
  const released = { name: "@cm/router", before: "0.1.9", after: "0.1.10", changelog: "# @cm/router\n\n## 0.1.10\n" };

  it("are fine when they are newer and in the changelog", () => {
    expect(releaseFaults(released)).toEqual([]);
    expect(releaseFaults({ ...released, before: "0.1.10-next.0" })).toEqual([]);
  });

  it.each([
    ["the same version", { before: "0.1.10" }, "@cm/router went from 0.1.10 to 0.1.10, which is no newer version"],
    ["an older version", { before: "0.2.0" }, "@cm/router went from 0.2.0 to 0.1.10, which is no newer version"],
    ["no changelog", { changelog: undefined }, "@cm/router has no CHANGELOG.md"],
    ["an old changelog", { changelog: "## 0.1.9\n" }, "@cm/router's CHANGELOG.md lacks 0.1.10"],
  ])("with %s are a fault", (_what, change, fault) => {
    expect(releaseFaults({ ...released, ...change })).toEqual([fault]);
  });

  it("must be the same for all", () => {
    expect(groupFaults({ "@cm/a": "0.2.0", "@cm/b": "0.2.0" })).toEqual([]);
    expect(groupFaults({ "@cm/a": "0.2.0", "@cm/b": "0.1.1" })).toEqual([
      "the packages do not share a version: @cm/a 0.2.0, @cm/b 0.1.1; name each of them under fixed in .changeset/config.json",
    ]);
  });

  it("need ranges that follow the workspace", () => {
    const manifests = (range) => [{ name: "@cm/a", dependencies: { "@cm/b": range, ws: "8.0.0" } }, { name: "@cm/b" }];
    expect(rangeFaults(manifests("workspace:^"))).toEqual([]);
    expect(rangeFaults(manifests("^0.1.0"))).toHaveLength(1);
    expect(rangeFaults([{ name: "@cm/a", devDependencies: { "@cm/gone": "workspace:*" } }])).toHaveLength(1);
  });
});
