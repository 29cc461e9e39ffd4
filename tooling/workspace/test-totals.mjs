import { readFileSync } from "node:fs";
import { stripVTControlCharacters } from "node:util";
import { runAsProgram } from "./child-commands.mjs";
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

/** The totals of tests in one line of plain words, for readers of logs that do not know vitest's form. */
export function testSummary(totals) {
  const tests = totals.get("Tests");
  const left = (tests.get("skipped") ?? 0) + (tests.get("todo") ?? 0);
  const skipped = left > 0 ? `, ${left} skipped` : "";
  return `${tests.get("passed") ?? 0} passed, ${tests.get("failed") ?? 0} failed${skipped}`;
}

/** The tests that vitest reports as failed, as `file > title`, each followed by the first line of its error. */
export function failedTests(output) {
  const lines = stripVTControlCharacters(output).split("\n");
  const failed = lines.flatMap((line, i) => {
    const [, name] = /^ FAIL {2}(.+)$/.exec(line.trimEnd()) ?? [];
    // Tests that failed alike come one after the other, before the one error of them all.
    const error = lines.slice(i + 1).find((each) => !each.startsWith(" FAIL "));
    return name === undefined ? [] : [[name, error ?? ""]];
  });
  return [...new Map(failed)].map(([name, error]) => `${name}\n    ${error.trim()}`);
}

/**
 * Prints the failed tests of the runs in a file, and the totals in the form that vitest uses and in plain words.
 * Fails if no test passed.
 */
await runAsProgram(import.meta.url, async ([file]) => {
  if (file === undefined) throw new SetupError("Usage: test-totals.mjs <file with the output of test runs>");
  const output = readFileSync(file, "utf8");
  const totals = testTotals(output);
  if (!totals.get("Tests").has("passed")) throw new SetupError(`${file} contains no test run in which a test passed.`);
  for (const test of failedTests(output)) console.log(test);
  for (const [kind, sums] of totals) {
    const all = [...sums.values()].reduce((sum, count) => sum + count, 0);
    const states = [...sums].map(([name, count]) => `${count} ${name}`).join(" | ");
    console.log(`${kind.padStart(11)}  ${states} (${all})`);
  }
  console.log(testSummary(totals));
});
