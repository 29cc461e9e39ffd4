import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runAsProgram } from "../child-commands.mjs";
import { publishablePackages, ROOT, SetupError } from "../workspace.mjs";

/** GitHub's maximum length of a release's text is 125,000 characters. */
const MAX_LENGTH = 120_000;

const KINDS = ["Major Changes", "Minor Changes", "Patch Changes"];

/**
 * The notes of a release, from the packages' changelogs (texts by package name): each entry once, with the packages
 * that it belongs to. Lines that only say which dependency was updated are left out.
 */
export function releaseNotes(version, changelogs) {
  const entries = new Map(KINDS.map((kind) => [kind, new Map()]));
  for (const [name, text] of Object.entries(changelogs)) {
    const [, section = ""] = text.split(/^## /m).flatMap((part) => {
      const [title, ...lines] = part.split("\n");
      return title.trim() === version ? [title, lines.join("\n")] : [];
    });
    for (const part of section.split(/^### /m)) {
      const [kind, ...lines] = part.split("\n");
      const ofKind = entries.get(kind.trim());
      for (const entry of ofKind === undefined ? [] : lines.join("\n").split(/^- /m)) {
        const told = entry.trim();
        if (told === "" || /^Updated dependencies|^@cm\/\S+@\d/.test(told)) continue;
        ofKind.set(told, [...(ofKind.get(told) ?? []), name]);
      }
    }
  }
  const parts = KINDS.filter((kind) => entries.get(kind).size > 0).flatMap((kind) => [
    `### ${kind}`,
    ...[...entries.get(kind)].map(([told, names]) => `- **${names.sort().join(", ")}**: ${told}`),
  ]);
  let notes = "";
  for (const part of parts) {
    if (notes.length + part.length > MAX_LENGTH) return `${notes}The changelogs of the packages have the rest.\n`;
    notes += `${part}\n\n`;
  }
  return notes;
}

/** Writes the notes of the current version to the named file, and prints the version. */
await runAsProgram(import.meta.url, ([file]) => {
  if (file === undefined) throw new SetupError("Name the file that the notes go to.");
  const packages = publishablePackages();
  const changelogs = packages.flatMap(({ dir, manifest }) => {
    const path = join(ROOT, dir, "CHANGELOG.md");
    return existsSync(path) ? [[manifest.name, readFileSync(path, "utf8")]] : [];
  });
  const { version } = packages[0].manifest;
  writeFileSync(file, releaseNotes(version, Object.fromEntries(changelogs)));
  console.log(version);
});
