import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { describe, MUTANT_VARIABLE, type Mutant, PACKAGE_VARIABLE } from "./mutant.js";
import { allMutants, productPackages, sampleOf } from "./mutant-selection.js";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const CONFIG = fileURLToPath(new URL("../vitest.config.ts", import.meta.url));

/**
 * Maximum time of a test run. The slowest package's tests take two minutes; a mutation that makes them hang
 * is detected by this limit.
 */
const RUN_TIMEOUT_MS = 300_000;

const USAGE = `Usage: npm run mutate -- [options]

  --count N        number of changes, 1 to 1,000 (60)
  --seed N         random seed of an earlier run to repeat
  --skip N         number of changes to skip, to continue a run that was stopped
  --at FILE[:LINE] try only the changes of one file or line; FILE is relative to the repository's root
  --package NAME   one of ${productPackages(ROOT).join(", ")} (all)

Changes the packages' sources at random places, one at a time and only in memory, and runs the
package's own tests with each change. Prints the changes that no test detects; review each, because a
change may have no effect. Exits with 1 if the tests fail without a change.`;

interface Command {
  readonly count: number;
  readonly seed: number;
  readonly skip: number;
  readonly packages: readonly string[];
  readonly at: { readonly file: string; readonly line: number | undefined } | undefined;
}

function readCommand(args: readonly string[]): Command | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      count: { type: "string", default: "60" },
      seed: { type: "string" },
      skip: { type: "string", default: "0" },
      package: { type: "string" },
      at: { type: "string" },
      help: { type: "boolean" },
    },
  });
  const count = Number(values.count);
  const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000));
  const skip = Number(values.skip);
  const packages = productPackages(ROOT).filter((name) => values.package === undefined || name === values.package);
  const isValid = isWhole(count, 1, 1_000) && isWhole(seed, 0, 2 ** 32 - 1) && isWhole(skip, 0, count);
  const [, file, line] = /^(.*?)(?::(\d+))?$/.exec(values.at ?? "") ?? [];
  const at = file ? { file, line: line === undefined ? undefined : Number(line) } : undefined;
  return values.help === true || !isValid || packages.length === 0 ? undefined : { count, seed, skip, packages, at };
}

function isWhole(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}

/**
 * The result of a test run: the name of the first failed test, or that the time limit was reached; `undefined` if
 * all passed.
 */
interface Outcome {
  readonly noticedBy: string | undefined;
  /** The file of the first failed test. */
  readonly testFile: string | undefined;
  readonly seconds: number;
}

/** Maximum number of test runs with a change whose failures do not repeat, and of test runs without a change. */
const TRIES_MAX = 3;

/**
 * Runs the package's tests with the change. If a test fails, its file runs again alone. If that passes, the
 * failure is attributed to a busy machine, and the change is tried again.
 */
async function tryMutant(packageName: string, mutant: Mutant): Promise<Outcome> {
  for (let tries = 1; ; tries++) {
    const outcome = await runTests(packageName, mutant);
    if (outcome.testFile === undefined || tries === TRIES_MAX) return outcome;
    const again = await runTests(packageName, mutant, outcome.testFile);
    if (again.noticedBy !== undefined) return { ...again, seconds: outcome.seconds + again.seconds };
    console.log(`    (did not repeat: ${outcome.noticedBy})`);
  }
}

/**
 * Runs the package's tests without a change. If one fails, they run again, because a busy machine may be the
 * cause.
 */
async function tryUnchanged(packageName: string): Promise<Outcome> {
  for (let tries = 1; ; tries++) {
    const outcome = await runTests(packageName, undefined);
    if (outcome.noticedBy === undefined || tries === TRIES_MAX) return outcome;
    console.log(`    (${packageName} without a change failed: ${outcome.noticedBy})`);
  }
}

/**
 * Runs `testFile` if it is given. Otherwise runs the package's tests that load the changed file, or all without a
 * change.
 */
async function runTests(packageName: string, mutant: Mutant | undefined, testFile?: string): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), "cm-mutant-"));
  const report = join(folder, "report.json");
  const beganAt = performance.now();
  const vitest = fileURLToPath(new URL("vitest.mjs", import.meta.resolve("vitest/package.json")));
  const child = spawn(
    process.execPath,
    [vitest, ...selectTests(mutant, testFile), "--config", CONFIG, `--outputFile=${report}`, "--reporter=json"],
    {
      cwd: ROOT,
      stdio: "ignore",
      timeout: RUN_TIMEOUT_MS,
      env: {
        ...process.env,
        [PACKAGE_VARIABLE]: packageName,
        ...(mutant === undefined ? {} : { [MUTANT_VARIABLE]: JSON.stringify(mutant) }),
      },
    },
  );
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (...end) => resolve(end));
  });
  const failed = code === 0 ? undefined : await firstFailure(report);
  await rm(folder, { recursive: true, force: true });
  const seconds = (performance.now() - beganAt) / 1000;
  if (code === 0) return { noticedBy: undefined, testFile: undefined, seconds };
  if (signal !== null) return { noticedBy: "the time was up", testFile: undefined, seconds };
  return { noticedBy: failed?.test ?? `exit code ${code}`, testFile: failed?.file, seconds };
}

function selectTests(mutant: Mutant | undefined, testFile: string | undefined): readonly string[] {
  if (testFile !== undefined) return ["run", testFile];
  return mutant === undefined ? ["run"] : ["related", "--run", join(ROOT, mutant.file)];
}

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

async function firstFailure(report: string): Promise<{ readonly test: string; readonly file: string } | undefined> {
  const text = await readFile(report, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const { testResults } = JSON.parse(text) as Report;
  for (const { name, message, assertionResults } of testResults) {
    const failed = assertionResults.find(({ status }) => status === "failed")?.fullName.trim();
    const test = failed ?? message.split("\n")[0];
    if (test !== undefined && test !== "") return { test, file: name };
  }
  return undefined;
}

async function main({ count, seed, skip, packages, at }: Command): Promise<number> {
  const all = allMutants(ROOT, packages).filter(
    ({ file, mutation }) =>
      at === undefined || (at.file === file && (at.line === undefined || at.line === mutation.line)),
  );
  const chosen = sampleOf(all, count, seed).slice(skip);
  console.log(`${chosen.length} of ${all.length} changes, --seed ${seed}`);
  const survivors: string[] = [];
  const sound = new Set<string>();
  for (const [i, mutant] of chosen.entries()) {
    const packageName = mutant.file.split("/")[1] ?? "";
    if (!sound.has(packageName)) {
      const { noticedBy, seconds } = await tryUnchanged(packageName);
      if (noticedBy !== undefined) {
        console.error(`The tests of ${packageName} fail without a change: ${noticedBy}`);
        return 1;
      }
      console.log(`${packageName} without a change: passed in ${seconds.toFixed(0)} s`);
      sound.add(packageName);
    }
    const text = readFileSync(join(ROOT, mutant.file), "utf8");
    const told = describe(text, mutant);
    const { noticedBy, seconds } = await tryMutant(packageName, mutant);
    console.log(
      `\n${skip + i + 1}  ${noticedBy === undefined ? "NOT NOTICED" : "noticed"} after ${seconds.toFixed(0)} s  ${told}`,
    );
    if (noticedBy === undefined) survivors.push(told);
    else console.log(`    by ${noticedBy}`);
  }
  console.log(`\n${chosen.length - survivors.length} of ${chosen.length} noticed; not noticed:`);
  for (const told of survivors) console.log(`\n${told}`);
  return 0;
}

const command = readCommand(process.argv.slice(2));
if (command === undefined) {
  console.error(USAGE);
  process.exitCode = 2;
} else {
  process.exitCode = await main(command);
}
