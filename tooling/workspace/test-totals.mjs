import { readFileSync } from "node:fs";
import { stripVTControlCharacters } from "node:util";
import { runAsProgram } from "./command.mjs";
import { SetupError } from "./workspace.mjs";

const KINDS = ["Test Files", "Tests"];

/**
 * Adds up the totals that vitest prints at the end of each run: the numbers of files and tests by state, such
 * as `passed` and `failed`.
 */
export function testTotals(output) {
  const totals = new Map(KINDS.map((kind) => [kind, new Map()]));
  for (const line of stripVTControlCharacters(output).split("\n")) {
    const [, kind, states] = /^\s+(Test Files|Tests)\s+(\d+ \w+(?: \| \d+ \w+)*) \(\d+\)$/.exec(line.trimEnd()) ?? [];
    for (const state of states?.split(" | ") ?? []) {
      const [count, name] = state.split(" ");
      const sums = totals.get(kind);
      sums.set(name, (sums.get(name) ?? 0) + Number(count));
    }
  }
  return totals;
}

/** Prints the totals of the runs in a file, in the form that vitest uses; fails where no test ran. */
await runAsProgram(import.meta.url, async ([file]) => {
  if (file === undefined) throw new SetupError("Usage: test-totals.mjs <file with the output of test runs>");
  const totals = testTotals(readFileSync(file, "utf8"));
  if (!totals.get("Tests").has("passed")) throw new SetupError(`${file} contains no test run in which a test passed.`);
  for (const [kind, sums] of totals) {
    const all = [...sums.values()].reduce((sum, count) => sum + count, 0);
    const states = [...sums].map(([name, count]) => `${count} ${name}`).join(" | ");
    console.log(`${kind.padStart(11)}  ${states} (${all})`);
  }
});
