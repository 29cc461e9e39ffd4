import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { describeStoreContracts } from "./store/index.js";
import { describeTransport } from "./transport/index.js";

/** Runs the fixture as a separate project would run its tests, and prints the results. */
const PROGRAM = `
import { startVitest } from "vitest/node";
const vitest = await startVitest("test", [], {
  config: false,
  root: process.cwd(),
  include: ["src/faulty-buses.fixture.ts"],
  reporters: ["default"],
  watch: false,
  maxWorkers: 1,
});
const tests = vitest.state.getTestModules().flatMap((module) => [...module.children.allTests()]);
const results = tests.map((test) => [test.fullName, test.result().state]);
await vitest.close();
console.log("RESULTS " + JSON.stringify(results));
process.exit(0);
`;

/** The result of each test, by suite and title. */
let results: readonly (readonly [name: string, state: string])[] = [];
let output = "";

beforeAll(async () => {
  const cwd = fileURLToPath(new URL("..", import.meta.url));
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    ["--no-warnings", "--input-type=module", "-e", PROGRAM],
    { cwd, env: { PATH: process.env.PATH ?? "" }, timeout: 60_000 },
  );
  output = stdout + stderr;
  const [, text = "[]"] = /^RESULTS (.*)$/m.exec(stdout) ?? [];
  results = JSON.parse(text) as typeof results; // As the program above prints it.
});

/** The titles of a suite's tests with the given result. */
function titles(suite: string, state: string): string[] {
  return results
    .filter(([name, found]) => name.startsWith(`${suite}: `) && found === state)
    .map(([name]) => name.split(" > ").at(-1) ?? "");
}

describe("the suite of the bus", () => {
  it("passes a bus that keeps every promise", () => {
    expect(titles("none", "failed")).toEqual([]);
    expect(titles("none", "passed")).toHaveLength(13);
  });

  it.each([
    ["two-subscriptions", "takes one subscription a channel, also while the first is still being made"],
    ["without-code", "takes one subscription a channel, also while the first is still being made"],
    ["within-publish", "never calls a handler inside the publish that it answers to"],
    ["late-close", "lets a handler close its own subscription between two messages"],
  ])("names the promise that a bus breaks: %s", (fault, promise) => {
    expect(titles(fault, "failed")).toContain(promise);
  });
});

describe("a suite that is left out", () => {
  it("is reported as a skipped test with the reason, and as a warning", () => {
    expect(titles("left out", "skipped")).toHaveLength(17);
    expect(titles("left out", "skipped")).toContain("is left out: messages are not kept");
    expect(output).toContain("left out: the suite history is left out: messages are not kept");
  });

  it("has a store prove that it keeps no history, where that is the suite", () => {
    expect(titles("left out", "failed")).toEqual(["has none, since the suite is left out"]);
  });

  it("needs a name that there is, and a reason", () => {
    const createHarness = () => Promise.reject(new Error("There is no store."));
    // Values that plain JavaScript may pass.
    const misspelt = { histroy: "why" } as object;
    expect(() => describeStoreContracts("x", createHarness, { leaveOut: misspelt })).toThrow(
      expect.objectContaining({ code: "options-invalid", details: { field: "histroy", nearest: "history" } }),
    );
    const createTransport = () => {
      throw new Error("There is no transport.");
    };
    expect(() => describeTransport("x", createTransport, { crowd: 5 })).toThrow(
      expect.objectContaining({ code: "options-invalid", details: expect.objectContaining({ field: "crowd" }) }),
    );
  });
});
