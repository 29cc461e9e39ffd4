import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { runAsProgram, runInFront } from "./child-commands.mjs";
import { setup } from "./setup/setup.mjs";
import { ROOT, SetupError } from "./workspace.mjs";

/** Measures the cost of faults and writes docs/failure-modes.md: `npm run failures -- --runs 10`. */
await runAsProgram(import.meta.url, async (args) => {
  const runs = readRuns(args);
  await setup();
  const { measureReaping } = await import(
    pathToFileURL(join(ROOT, "benchmarks", "dist", "operations", "reaping-cost.js")).href
  );
  const reaping = await measureReaping();
  console.log(`A dead server's connections removed: ${JSON.stringify(reaping)}`);
  const env = { ...process.env, TRIALS: "1", FAILURE_RUNS: String(runs), FAILURE_REAPING: JSON.stringify(reaping) };
  const test = "tooling/chaos/src/failures/failures.redis.test.ts";
  const vitest = join(ROOT, "node_modules", "vitest", "vitest.mjs");
  await runInFront(vitest, ["run", test, "--disable-console-intercept"], { env });
});

function readRuns(args) {
  try {
    const { values } = parseArgs({ args, options: { runs: { type: "string", default: "10" } } });
    const runs = Number(values.runs);
    if (Number.isInteger(runs) && runs >= 1 && runs <= 100) return runs;
  } catch {
    // Report the usage below.
  }
  throw new SetupError("Usage: npm run failures -- [--runs N], 1 to 100 rounds of each fault (10)");
}
