import { SetupError } from "../workspace/workspace.mjs";
import { installedVersions } from "./consumer-projects.mjs";

/** A package that depends on most of the others. */
const CONSUMED = "@cm/connection-manager";
const ADVICE = "Rehearsed: take the next version.";

const MIXED = `
import { createMemoryStore } from "@cm/memory-store";
import { createRouter } from "@cm/router";
const store = createMemoryStore();
const local = { toRoom() {}, toConnection: () => false, toUser: () => 0 };
try {
  createRouter({ serverId: "one", store, local });
} catch ({ code, details }) {
  console.log(JSON.stringify({ code, details }));
}
`;

/**
 * Checks what users get from the releases after the first: a patch of one package, a breaking change of
 * `@cm/protocol`, a pre-release, a deprecation. All packages form one fixed group and get the same version,
 * by the greatest bump. An update within a user's range never includes a breaking change.
 */
export async function checkReleases({ copy, registry, projects, versions, step }) {
  const first = versionOf(versions);
  const consumer = projects.create("consumer");
  await projects.npm(consumer, "install", CONSUMED, "@cm/redis-store", "ioredis");
  has(consumer, first);

  const patch = await step("a patch of @cm/router alone", async () => {
    const next = await release(copy, { "@cm/router": "patch" });
    expect(next, bumped(first, 2), "the version after a patch");
    await projects.npm(consumer, "update");
    has(consumer, next);
    return next;
  });

  const breaking = await step("a breaking change of @cm/protocol", async () => {
    const next = await release(copy, { "@cm/protocol": "minor" });
    expect(next, bumped(first, 1), "the version after a breaking change below 1.0");
    await projects.npm(consumer, "update");
    has(consumer, patch);
    return next;
  });

  await step("an upgrade of one package of a project, which is asked to take all", async () => {
    await checkMixed(projects, patch, breaking);
    await projects.npm(consumer, "install", `${CONSUMED}@latest`, "@cm/redis-store@latest");
    has(consumer, breaking);
  });

  await step("a pre-release", async () => {
    await copy.enterPreRelease("next");
    const next = await release(copy, { "@cm/router": "patch" }, "--tag", "next");
    expect(next, `${bumped(breaking, 2)}-next.0`, "the version of a pre-release");
    for (const name of Object.keys(versions)) {
      const { latest, next: tagged } = (await registry.document(name))["dist-tags"];
      expect(`${latest} ${tagged}`, `${breaking} ${next}`, `latest and next of ${name}`);
    }
    await projects.npm(consumer, "update");
    has(consumer, breaking);
    const trier = projects.create("trier");
    await projects.npm(trier, "install", `${CONSUMED}@next`);
    has(trier, next);
  });

  await step("a deprecation", async () => {
    const maintainer = projects.create("maintainer");
    for (const name of Object.keys(versions)) await projects.npm(maintainer, "deprecate", `${name}@${first}`, ADVICE);
    const warned = await projects.npm(projects.create("late"), "install", `@cm/router@${first}`);
    if (!warned.includes(ADVICE)) throw new SetupError(`npm did not tell of the deprecation:\n${warned}`);
    const unwarned = await projects.npm(projects.create("timely"), "install", `@cm/router@${patch}`);
    if (unwarned.includes(ADVICE)) throw new SetupError(`npm warned of ${patch}:\n${unwarned}`);
  });
}

/**
 * Checks that a router of one minor version and a store of another, as after a partial upgrade, fail with one
 * coded error.
 */
async function checkMixed(projects, older, newer) {
  const dir = projects.create("mixed", { "main.mjs": MIXED });
  await projects.npm(dir, "install", `@cm/router@${newer}`, `@cm/memory-store@${older}`);
  const printed = await projects.node(dir, ["main.mjs"]);
  const wanted = { code: "version-mismatch", details: { field: "store", version: older, wanted: newer } };
  expect(printed.trim(), JSON.stringify(wanted), "what mixed versions print");
}

async function release(copy, changeset, ...args) {
  const versions = await copy.version(changeset);
  // Only the files of this package contain the version.
  await copy.build(["@cm/protocol"]);
  await copy.release(...args);
  return versionOf(versions);
}

/** The version that all packages share. */
function versionOf(versions) {
  const [version, ...others] = new Set(Object.values(versions));
  if (others.length > 0) throw new SetupError(`The packages do not share a version: ${JSON.stringify(versions)}`);
  return version;
}

/** Checks that the project has `@cm` packages, and has each of them in this version only. */
function has(dir, version) {
  const found = installedVersions(dir);
  const wrong = Object.entries(found).filter(([, versions]) => versions.join() !== version);
  if (Object.keys(found).length === 0 || wrong.length > 0) {
    throw new SetupError(`${dir} should have ${version} of everything, and has ${JSON.stringify(found)}.`);
  }
}

function bumped(version, part) {
  return version
    .split(".")
    .map((number, index) => (index === part ? Number(number) + 1 : index > part ? 0 : Number(number)))
    .join(".");
}

function expect(actual, wanted, what) {
  if (actual !== wanted) throw new SetupError(`${what} should be ${wanted}, and is ${actual}.`);
}
