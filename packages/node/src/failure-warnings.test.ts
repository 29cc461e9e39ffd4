import { CmError } from "@cm/protocol";
import { expect, it } from "vitest";
import { createFailureWarnings } from "./failure-warnings.js";

function warnings() {
  const told: [string, { type: string; code: string; detail: string }][] = [];
  const clock = { nowMs: 0 };
  const onError = createFailureWarnings(
    (message, options) => told.push([message, options]),
    () => clock.nowMs,
  );
  return { told, clock, onError };
}

it("warns once of an outage that sixteen partitions report, names the stage, and counts the others a minute later", () => {
  const { told, clock, onError } = warnings();
  const outage = (): CmError =>
    new CmError("unavailable", "Redis is away.", { cause: new Error("connect ECONNREFUSED") });
  for (let i = 0; i < 16; i++) onError(outage(), { stage: "projection" });
  expect(told).toEqual([
    [
      "projection: Redis is away. [unavailable]",
      { type: "CmWarning", code: "unavailable", detail: "caused by Error: connect ECONNREFUSED" },
    ],
  ]);
  clock.nowMs = 60_000;
  onError(outage(), { stage: "projection" });
  expect(told[1]?.[0]).toBe("projection: Redis is away. [unavailable] (and 15 more like the last one)");
});

it("keeps apart what differs in stage or code, and messages of failures that stay", () => {
  const { told, onError } = warnings();
  onError(new CmError("unavailable", "a"), { stage: "link" });
  onError(new CmError("timeout", "a"), { stage: "link" });
  onError(new CmError("unavailable", "b"), { stage: "store" });
  for (const key of ["k1", "k2", "k1"]) onError(new CmError("store-corrupt", key), { stage: "store" });
  expect(told.map(([message]) => message)).toEqual([
    "link: a [unavailable]",
    "link: a [timeout]",
    "store: b [unavailable]",
    "store: k1 [store-corrupt]",
    "store: k2 [store-corrupt]",
  ]);
});

it("remembers a bounded number of kinds", () => {
  const { told, onError } = warnings();
  for (let i = 0; i < 300; i++) onError(new CmError("internal", `fault ${i}`), { stage: "store" });
  onError(new CmError("internal", "fault 299"), { stage: "store" });
  onError(new CmError("internal", "fault 0"), { stage: "store" });
  expect(told).toHaveLength(301);
});
