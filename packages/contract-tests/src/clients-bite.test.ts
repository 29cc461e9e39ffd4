import { beforeAll, describe, expect, it } from "vitest";
import { describeClient } from "./client/index.js";
import { runSeparately, type SeparateRun } from "./separate-run.fixture.js";

let run: SeparateRun;

beforeAll(async () => {
  run = await runSeparately("faulty-clients.fixture.ts");
}, 120_000);

describe("the suite of a client", () => {
  it("passes a client that keeps every rule", () => {
    expect(run.titles("a client: none", "failed")).toEqual([]);
    expect(run.titles("a client: none", "passed").length).toBeGreaterThanOrEqual(31);
  });

  it.each([
    ["join-before-hello", "offers the subprotocol, and begins with hello and its version"],
    ["answers-in-order", "resolve with their own answer, in whatever order the answers come"],
    ["waits-for-good", "reject if the connection ends before the answer, instead of waiting for good"],
    ["dies-of-the-unknown", "ignores fields and frames that it does not know"],
    ["always-back", "does not try again after an upgrade that was refused with 400, 401, 403 or 404"],
    ["at-once", "waits longer each time, until a connection has lasted"],
    ["at-once", "spreads the clients of a server that ended"],
    ["position-of-the-answer", "does not count missed messages before it has them"],
  ])("names the rule that a client breaks: %s", (fault, rule) => {
    expect(run.titles(`a client: ${fault}`, "failed")).toContain(rule);
  });

  it("refuses a suite that does not exist", () => {
    const start = () => Promise.reject(new Error("There is no client."));
    // A value that plain JavaScript may pass.
    const misspelt = { resumes: "why" } as object;
    expect(() => describeClient("x", start, { skip: misspelt })).toThrow(
      expect.objectContaining({ code: "options-invalid", details: { field: "resumes", nearest: "resume" } }),
    );
  });
});
