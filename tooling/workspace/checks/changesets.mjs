import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { publishablePackages, ROOT } from "../workspace.mjs";

const BUMPS = new Set(["patch", "minor", "major"]);

/**
 * Whether every changeset names published packages and a bump, and has a text for users. `changeset status`
 * needs the history of the base branch, which a copy of the sources or a shallow clone does not have; this
 * check needs only the files.
 */
export function checkChangesets() {
  const names = new Set(publishablePackages().map(({ manifest }) => manifest.name));
  const folder = join(ROOT, ".changeset");
  const files = readdirSync(folder).filter((file) => file.endsWith(".md") && file !== "README.md");
  const faults = files.flatMap((file) =>
    changesetFaults(readFileSync(join(folder, file), "utf8"), names).map((fault) => `${file}: ${fault}`),
  );
  for (const fault of faults) console.error(fault);
  console.log(`${files.length} changesets`);
  return faults.length === 0;
}

/** The faults in the text of one changeset. */
export function changesetFaults(text, publishedNames) {
  const parts = /^---\r?\n([\s\S]*?)^---\r?\n([\s\S]*)$/m.exec(text);
  if (parts === null) return ["it has no front matter between two lines of ---"];
  const [, head, summary] = parts;
  const faults = [];
  for (const line of head.split(/\r?\n/).filter((text) => text.trim() !== "")) {
    const entry = /^["']?([^"':]+)["']?:\s*["']?(\w+)["']?\s*$/.exec(line);
    if (entry === null) faults.push(`"${line}" is not "package": bump`);
    else if (!publishedNames.has(entry[1])) faults.push(`${entry[1]} is no published package`);
    else if (!BUMPS.has(entry[2])) faults.push(`${entry[2]} is none of ${[...BUMPS].join(", ")}`);
  }
  // A changeset with an empty head releases nothing, and needs no text.
  if (head.trim() !== "" && summary.trim() === "") faults.push("it tells users nothing");
  return faults;
}
