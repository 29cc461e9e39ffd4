import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runAsProgram } from "../child-commands.mjs";
import { SetupError } from "../workspace.mjs";

/**
 * Last build step of a package that contains its version: writes the version of its manifest into
 * `dist/version.js`.
 */
await runAsProgram(import.meta.url, () => {
  const { version } = JSON.parse(readFileSync("package.json", "utf8"));
  const file = join("dist", "version.js");
  const text = readFileSync(file, "utf8");
  const written = text.replace(/(VERSION = )"[^"]*"/, (_, before) => before + JSON.stringify(version));
  if (!written.includes(JSON.stringify(version))) throw new SetupError(`${file} has no place for the version.`);
  writeFileSync(file, written);
});
