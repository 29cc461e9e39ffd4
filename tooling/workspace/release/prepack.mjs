import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runAsProgram } from "../child-commands.mjs";
import { SetupError } from "../workspace.mjs";

/** The `prepack` script of every published package: refuses to pack a package that is not built. */
await runAsProgram(import.meta.url, () => {
  const { npm_command: command, npm_config_user_agent: agent = "" } = process.env;
  if (command === "publish" && agent.startsWith("npm/")) {
    throw new SetupError(
      "npm publishes the ranges of the workspace (workspace:^) as they are, and no one could install the result. " +
        "Publish with `npm run release` in the workspace's root.",
    );
  }
  const { version } = JSON.parse(readFileSync("package.json", "utf8"));
  if (isOfAnotherVersion(process.cwd(), version)) {
    throw new SetupError(
      `${process.cwd()} was built for another version than ${version}. Run \`npm run build\` in the workspace's root first.`,
    );
  }
  const missing = unbuiltFiles(process.cwd());
  if (missing.length === 0) return;
  const more = missing.length > 1 ? ` and ${missing.length - 1} more` : "";
  throw new SetupError(
    `${process.cwd()} is not built: ${missing[0]}${more} would be missing. Run \`npm run build\` in the workspace's root first.`,
  );
});

/**
 * Whether the folder's package was built for another version than the given one, by the version in
 * `dist/version.js`.
 */
export function isOfAnotherVersion(folder, version) {
  const file = join(folder, "dist", "version.js");
  return existsSync(file) && !readFileSync(file, "utf8").includes(JSON.stringify(version));
}

/** The files that a build of the package in the folder should have written but did not, as paths within the package. */
export function unbuiltFiles(folder) {
  const sources = readdirSync(join(folder, "src"), { recursive: true })
    .map((file) => file.replaceAll("\\", "/"))
    .filter((file) => file.endsWith(".ts") && !/\.(test|fixture|d)\.ts$/.test(file));
  return sources
    .sort()
    .flatMap((file) => [".js", ".d.ts"].map((extension) => `dist/${file.slice(0, -".ts".length)}${extension}`))
    .filter((file) => !existsSync(join(folder, file)));
}
