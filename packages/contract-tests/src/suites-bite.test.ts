import { beforeAll, describe, expect, it } from "vitest";
import { runSeparately, type SeparateRun } from "./separate-run.fixture.js";
import { describeStoreContracts } from "./store/index.js";
import { describeTransport } from "./transport/index.js";

let run: SeparateRun;

beforeAll(async () => {
  run = await runSeparately("faulty-buses.fixture.ts");
});

describe("the suite of the bus", () => {
  it("passes a bus that keeps every promise", () => {
    expect(run.titles("none", "failed")).toEqual([]);
    expect(run.titles("none", "passed")).toHaveLength(13);
  });

  it.each([
    ["two-subscriptions", "takes one subscription a channel, also while the first is still being made"],
    ["without-code", "takes one subscription a channel, also while the first is still being made"],
    ["within-publish", "never calls a handler inside the publish that it answers to"],
    ["late-close", "lets a handler close its own subscription between two messages"],
  ])("names the promise that a bus breaks: %s", (fault, promise) => {
    expect(run.titles(fault, "failed")).toContain(promise);
  });
});

describe("a suite that is skipped", () => {
  it("is reported as a skipped test with the reason, and as a warning", () => {
    expect(run.titles("skipped suites", "skipped")).toHaveLength(17);
    expect(run.titles("skipped suites", "skipped")).toContain("is skipped: messages are not kept");
    expect(run.output).toContain("skipped suites: the suite history is skipped: messages are not kept");
  });

  it("has a store prove that it keeps no history, where that is the suite", () => {
    expect(run.titles("skipped suites", "failed")).toEqual(["has none, since the suite is skipped"]);
  });

  it("needs a name that there is, and a reason", () => {
    const createHarness = () => Promise.reject(new Error("There is no store."));
    // Values that plain JavaScript may pass.
    const misspelt = { histroy: "why" } as object;
    expect(() => describeStoreContracts("x", createHarness, { skip: misspelt })).toThrow(
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
