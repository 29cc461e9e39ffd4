import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** What a run of tests in a process of its own printed, and the result of each test. */
export interface SeparateRun {
  readonly output: string;
  /** The titles of a suite's tests with the given result. */
  readonly titles: (suite: string, state: string) => string[];
}

/**
 * Runs the tests of a file of this folder as a separate project would run its own, with no environment variable but
 * `PATH`. `name` is a pattern of the tests to run; all of them if it is not given.
 */
export async function runSeparately(file: string, name?: string): Promise<SeparateRun> {
  const options = {
    ...{ config: false, root: ".", include: [`src/${file}`], reporters: ["default"], watch: false, maxWorkers: 1 },
    ...(name === undefined ? {} : { testNamePattern: name }),
  };
  const program = `
import { startVitest } from "vitest/node";
const vitest = await startVitest("test", [], { ...${JSON.stringify(options)}, root: process.cwd() });
const tests = vitest.state.getTestModules().flatMap((module) => [...module.children.allTests()]);
const results = tests.map((test) => [test.fullName, test.result().state]);
await vitest.close();
console.log("RESULTS " + JSON.stringify(results));
process.exit(0);
`;
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    ["--no-warnings", "--input-type=module", "-e", program],
    {
      cwd: fileURLToPath(new URL("..", import.meta.url)),
      env: { PATH: process.env.PATH ?? "" },
      timeout: 120_000,
      maxBuffer: 16 * 1024 * 1024,
    },
  );
  const [, text = "[]"] = /^RESULTS (.*)$/m.exec(stdout) ?? [];
  const results = JSON.parse(text) as (readonly [name: string, state: string])[]; // As the program prints it.
  return {
    output: stdout + stderr,
    titles: (suite, state) =>
      results
        .filter(
          ([title, found]) => (title.startsWith(`${suite}: `) || title.startsWith(`${suite} > `)) && found === state,
        )
        .map(([title]) => title.split(" > ").at(-1) ?? ""),
  };
}
