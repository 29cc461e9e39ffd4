import { cleanEnvironment, pnpmCommand, runAsProgram, runCommand } from "../child-commands.mjs";
import repository from "../repository.cjs";
import { SetupError } from "../workspace.mjs";
import { writeSbom } from "./sbom.mjs";

/**
 * Publishes each package whose version is not in the registry yet. Before that, writes the bill of materials
 * (`sbom.cdx.json`). Arguments are passed to `pnpm publish`, such as `--tag next`.
 */
await runAsProgram(import.meta.url, async (args) => {
  if (repository.repositoryUrl(process.env) === undefined) {
    throw new SetupError(
      "Set REPOSITORY_URL to the address of the source, such as https://git.example/cm: each manifest is published with it.",
    );
  }
  await writeSbom();
  const publish = pnpmCommand(["publish", "--recursive", "--no-git-checks", ...args]);
  const { code } = await runCommand(...publish, { show: true, env: cleanEnvironment() });
  process.exit(code);
});
