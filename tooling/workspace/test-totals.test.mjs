import { expect, it } from "vitest";
import { failedTests, testSummary, testTotals } from "./test-totals.mjs";

const FIRST = [
  " \u001b[32m✓\u001b[39m a.test.ts \u001b[2m(\u001b[22m\u001b[2m2 tests\u001b[22m\u001b[2m)\u001b[22m",
  "\u001b[2m Test Files \u001b[22m \u001b[1m\u001b[32m1 passed\u001b[39m\u001b[22m\u001b[90m (1)\u001b[39m",
  "\u001b[2m      Tests \u001b[22m \u001b[1m\u001b[32m2 passed\u001b[39m\u001b[22m\u001b[90m (2)\u001b[39m",
].join("\n");
const SECOND = [" Test Files  1 failed | 3 passed (4)", "      Tests  1 failed | 40 passed | 2 skipped (43)"].join(
  "\n",
);

it("adds up the totals of several runs, with and without colours", () => {
  const totals = testTotals(`${FIRST}\n\nsomething else\n${SECOND}\n`);
  expect(Object.fromEntries(totals.get("Test Files"))).toEqual({ failed: 1, passed: 4 });
  expect(Object.fromEntries(totals.get("Tests"))).toEqual({ failed: 1, passed: 42, skipped: 2 });
});

it("says the totals in plain words", () => {
  expect(testSummary(testTotals(FIRST))).toBe("2 passed, 0 failed");
  expect(testSummary(testTotals(`${FIRST}\n${SECOND}\n`))).toBe("42 passed, 1 failed, 2 skipped");
});

it("finds nothing in the output of something else", () => {
  expect([...testTotals("Tests are fun (3)\n      Tests  none\n").get("Tests")]).toEqual([]);
});

it("lists each failed test once, with its error", () => {
  const output = [
    "\u001b[41m\u001b[1m FAIL \u001b[22m\u001b[49m a.test.ts\u001b[2m > \u001b[22mopens",
    " FAIL  b.test.ts > a group > closes",
    "AssertionError: expected 1 to be 2",
    " ❯ a.test.ts:3:1",
    " FAIL  c.test.ts > ends",
    "Error: Test timed out in 5000ms.",
    " FAIL  c.test.ts > ends",
    "Error: Test timed out in 5000ms.",
    "The word FAIL alone means nothing.",
  ].join("\n");
  expect(failedTests(output)).toEqual([
    "a.test.ts > opens\n    AssertionError: expected 1 to be 2",
    "b.test.ts > a group > closes\n    AssertionError: expected 1 to be 2",
    "c.test.ts > ends\n    Error: Test timed out in 5000ms.",
  ]);
});
