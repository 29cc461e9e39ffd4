import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runAsProgram } from "../workspace/child-commands.mjs";
import { setup } from "../workspace/setup/setup.mjs";
import { SetupError } from "../workspace/workspace.mjs";
import { Projects } from "./consumer-projects.mjs";
import { checkTypes, runExamples } from "./example-runs.mjs";
import { checkInstallations } from "./installations.mjs";
import { startRegistry } from "./local-registry.mjs";
import { checkGateway } from "./npx-gateway.mjs";
import { checkManifests } from "./published-manifests.mjs";
import { checkReleases } from "./release-checks.mjs";
import { checkSbom } from "./sbom-check.mjs";
import { SourceCopy } from "./source-copy.mjs";

/** Maximum time of a run, in milliseconds; a longer run counts as hanging. */
const LIMIT_MS = 1_200_000;

/** Time for running commands to end after a signal, in milliseconds. */
const SIGNAL_GRACE_MS = 5_000;

/**
 * Releases this workspace as a maintainer would, from a copy of its sources to a local registry, and then
 * uses the published packages as users would: installed by name.
 */
await runAsProgram(import.meta.url, async () => {
  await setup();
  const folder = mkdtempSync(join(tmpdir(), "cm-rehearsal-"));
  let registry;
  // Clean up on exit and not in a `finally`: if a signal is forwarded to a running command, the process ends
  // without reaching the `finally`.
  process.once("exit", () => {
    void registry?.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.once(signal, () => setTimeout(() => process.exit(1), SIGNAL_GRACE_MS));
  }
  const limit = setTimeout(() => {
    console.error(`The rehearsal took longer than ${LIMIT_MS / 1000} s.`);
    process.exit(1);
  }, LIMIT_MS);
  const startedAt = performance.now();
  try {
    const copy = new SourceCopy(join(folder, "copy"));
    await step("a copy of the sources, installed", () => copy.install());
    await step("a package that is not built is not packed", async () => {
      const { code, output } = await copy.pack(folder);
      const packed = readdirSync(folder).filter((name) => name.endsWith(".tgz"));
      if (code === 0 || packed.length > 0) throw new SetupError(`Packed without a build: ${packed.join(", ")}.`);
      if (!output.includes("is not built:")) throw new SetupError(`Packing failed for another reason:\n${output}`);
    });
    const versions = await step("the first versions, by the changesets", () => copy.version());
    await step("build", () => copy.build());
    registry = await step("a registry on loopback", () => startRegistry(join(folder, "registry")));
    copy.useRegistry(registry);
    await step("publish every package", () => copy.release());
    await step("its bill of materials", () => checkSbom(copy, versions));
    const projects = new Projects(join(folder, "projects"), registry);
    await step("what was published", () => checkManifests(registry, versions));
    await step("each package by its name, by npm, pnpm and yarn", () => checkInstallations(projects, versions));
    await step("npx @cm/gateway in an empty folder", () => checkGateway(projects));
    await step("each example, installed by npm and by pnpm, built and run", () => runExamples(projects, versions));
    await step("types of the examples, with TypeScript 5.4, 5.9, 6 and 7", () => checkTypes(projects, versions));
    await checkReleases({ copy, registry, projects, versions, step });
    console.log(`\nrehearsed in ${seconds(startedAt)}`);
  } finally {
    clearTimeout(limit);
    await registry?.close();
  }
});

/** Runs one step, and prints how long it took. */
async function step(title, run) {
  const startedAt = performance.now();
  const result = await run();
  console.log(`${seconds(startedAt).padStart(7)}  ${title}`);
  return result;
}

function seconds(startedAt) {
  return `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
}
