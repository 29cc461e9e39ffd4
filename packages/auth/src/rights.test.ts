import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { matchesPattern, parsePattern } from "./name-pattern.js";
import { PATTERN_MAX_LENGTH, PATTERNS_MAX, Rights, WILDCARDS_MAX } from "./rights.js";

function rightsOf(claim: unknown, userId = "ada"): Rights {
  const parsed = Rights.parse(claim, userId);
  if (!parsed.ok) throw parsed.error;
  return parsed.value;
}

describe("a pattern", () => {
  it.each([
    ["lobby", "lobby", true],
    ["lobby", "lobby2", false],
    ["team:*", "team:", true],
    ["team:*", "team:red", true],
    ["team:*", "steam:red", false],
    ["*:red", "team:red", true],
    ["a*b*c", "abc", true],
    ["a*b*c", "a-b-b-c", true],
    ["a*b*c", "acb", false],
    ["ab*ba", "aba", false],
    ["a*a*a", "aa", false],
    ["*", "", true],
    ["inbox:{user}", "inbox:ada", true],
    ["inbox:{user}", "inbox:bob", false],
    ["{user}:*", "ada:anything", true],
    ["a.c", "abc", false],
    ["(x+)+", "(x+)+", true],
  ])("%s matches %s: %s", (pattern, name, expected) => {
    expect(matchesPattern(parsePattern(pattern, "ada"), name)).toBe(expected);
  });

  it("takes wildcards and variables in a user's id for literal text", () => {
    expect(matchesPattern(parsePattern("inbox:{user}", "*"), "inbox:ada")).toBe(false);
    expect(matchesPattern(parsePattern("inbox:{user}", "*"), "inbox:*")).toBe(true);
    expect(matchesPattern(parsePattern("inbox:{user}", "$&{user}"), "inbox:$&{user}")).toBe(true);
  });

  it("matches as the regular expression of the same meaning does", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "*"), maxLength: 8 });
    const name = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 12 });
    fc.assert(
      fc.property(text, name, (pattern, candidate) => {
        const expected = new RegExp(`^${pattern.replaceAll("*", ".*")}$`).test(candidate);
        expect(matchesPattern(parsePattern(pattern, "ada"), candidate)).toBe(expected);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("rights", () => {
  it("deny what is not listed, and everything without a claim", () => {
    const rights = rightsOf({ join: ["lobby"] });
    expect(rights.allows("join", "lobby")).toBe(true);
    expect(rights.allows("publish", "lobby")).toBe(false);
    expect(rightsOf(undefined).allows("join", "lobby")).toBe(false);
  });

  it("distinguish a right to everything from a right to many things", () => {
    expect(rightsOf({ send: ["*"] }).allowsAll("send")).toBe(true);
    expect(rightsOf({ send: ["a", "**"] }).allowsAll("send")).toBe(true);
    expect(rightsOf({ send: ["a*"] }).allowsAll("send")).toBe(false);
    expect(rightsOf({ send: [""] }).allowsAll("send")).toBe(false);
  });

  it("leave rights alone that a later version knows", () => {
    expect(rightsOf({ fly: "anything", join: ["a"] }).allows("join", "a")).toBe(true);
  });

  it.each([
    ["a list", []],
    ["text", "join"],
    ["null", null],
    ["no list", { join: "*" }],
    ["a number for a pattern", { join: [1] }],
    ["too many patterns", { join: Array.from({ length: PATTERNS_MAX + 1 }, () => "a") }],
    ["a long pattern", { join: ["a".repeat(PATTERN_MAX_LENGTH + 1)] }],
    ["many wildcards", { join: ["*a".repeat(WILDCARDS_MAX + 1)] }],
  ])("refuse %s for a claim", (_, claim) => {
    expect(Rights.parse(claim, "ada")).toMatchObject({ ok: false, error: { code: "unauthorized" } });
  });
});
