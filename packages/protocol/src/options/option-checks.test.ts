import { describe, expect, it } from "vitest";
import {
  notStarted,
  requireDurationMs,
  requireFields,
  requireFlag,
  requireFunction,
  requireMembers,
  requireOptions,
  requirePage,
  requirePrefix,
  requireText,
  requireWholeNumber,
} from "./index.js";

/** Lets a value of any type be passed, as a program without type checks may do. */
const wild = (value: unknown) => value as never;

const KNOWN = { releaseDelayMs: true, maxPending: true } as const;

/** Returns the code, the option and the message with which a check fails. */
function refusalOf(check: () => unknown): unknown {
  try {
    return check();
  } catch (error) {
    const { code, message, details } = error as { code: string; message: string; details: { field: string } };
    return [code, details.field, message];
  }
}

describe("a check of options", () => {
  it("hands back a value that can be used", () => {
    const options = { maxPending: 1 };
    const handler = () => 1;
    expect(requireOptions<{ maxPending?: number; releaseDelayMs?: number }>(options, KNOWN)).toBe(options);
    expect(requireWholeNumber("n", 3, { min: 3, max: 3 })).toBe(3);
    expect(requireDurationMs("ttlMs", 86_400_000, 1)).toBe(86_400_000);
    for (const flag of [true, false]) expect(requireFlag("b", flag)).toBe(flag);
    expect(requireFunction("f", handler)).toBe(handler);
    expect(requireMembers("o", { handler }, ["handler"])).toEqual({ handler });
    expect(requireText("t", "x")).toBe("x");
    for (const prefix of ["c", "cm:Prod_2-", "x".repeat(64)]) expect(requirePrefix("p", prefix)).toBe(prefix);
  });

  it.each([undefined, null, 42, "text"])("refuses %s for options", (options) => {
    expect(refusalOf(() => requireOptions(wild(options), wild(KNOWN)))).toEqual([
      "options-invalid",
      "options",
      "options must be an object.",
    ]);
  });

  it("refuses null for an option, and takes undefined for its default", () => {
    const given = (maxPending: unknown) => () => requireOptions<object>({ maxPending }, wild(KNOWN));
    expect(refusalOf(given(null))).toEqual(["options-invalid", "maxPending", "maxPending must not be null."]);
    expect(refusalOf(given(undefined))).toEqual({ maxPending: undefined });
  });

  it.each([
    ["releaseDelay", "releaseDelay is not a known option. Did you mean releaseDelayMs?"],
    ["MaxPending", "MaxPending is not a known option. Did you mean maxPending?"],
    ["colour", "colour is not a known option."],
    ["toString", "toString is not a known option."],
  ])("refuses the unknown name %s and suggests the nearest known one", (field, message) => {
    const refusal = refusalOf(() => requireOptions<object>({ maxPending: 1, [field]: undefined }, wild(KNOWN)));
    expect(refusal).toEqual(["options-invalid", field, message]);
  });

  it.each([
    ["url", ["redisUrl", "store"], "redisUrl"],
    ["redis", ["url", "node", "clients"], "url"],
    ["redis_url", ["url", "prefix"], "url"],
    ["id", ["serverId", "redisUrl"], "serverId"],
    ["serverId", ["ids", "store"], "ids"],
    ["ids", ["serverInstance", "store"], "serverInstance"],
    ["store", ["serverId", "bus", "users"], "bus"],
    ["host", ["url", "node"], "node"],
    ["nodeId", ["node", "url"], "node"],
    ["id", ["prefix"], undefined],
  ])("for %s among %j suggests %s, which it is also known as", (field, names, nearest) => {
    const known = Object.fromEntries(names.map((name) => [name, true]));
    expect(() => requireOptions<object>({ [field]: 1 }, wild(known))).toThrow(
      expect.objectContaining({ code: "options-invalid", details: { field, nearest } }),
    );
  });

  it("takes an argument with known fields alone, and shows one if there is none", () => {
    const known = { limit: true, cursor: true };
    const refused = (page: unknown) => refusalOf(() => requireFields("page", wild(page), known, "{ limit: 100 }"));
    expect(requireFields("page", { limit: 1 }, wild(known), "{ limit: 100 }")).toEqual({ limit: 1 });
    for (const none of [undefined, null, 100, "100", []]) {
      expect(refused(none)).toEqual(["options-invalid", "page", "page must be an object, such as { limit: 100 }."]);
    }
    expect(refused({ limit: 1, after: "x" })).toEqual([
      "options-invalid",
      "after",
      "after is not a known field of page. Did you mean cursor?",
    ]);
  });

  it("takes a page of 1 to 1,000 items", () => {
    for (const limit of [1, 1_000]) expect(requirePage({ limit })).toEqual({ limit });
    for (const limit of [0, 1_001]) {
      expect(refusalOf(() => requirePage({ limit }))).toEqual([
        "options-invalid",
        "limit",
        "limit must be a whole number, from 1 to 1000.",
      ]);
    }
  });

  it("names the call that came before start()", () => {
    expect(notStarted("router.toRoom")).toMatchObject({
      code: "closed",
      details: { call: "router.toRoom" },
      message: "router.toRoom() was called before start() had resolved; await start() first.",
    });
  });

  it.each<[string, () => unknown, string]>([
    ["a number for a flag", () => requireFlag("f", 1), "f must be true or false."],
    ["text", () => requireWholeNumber("f", wild("1"), { min: 0, max: 9 }), "f must be a whole number, from 0 to 9."],
    [
      "a fraction",
      () => requireWholeNumber("f", 0.5, { min: 0, max: 9 }, "bytes"),
      "f must be a whole number of bytes, from 0 to 9.",
    ],
    [
      "too much",
      () => requireDurationMs("f", 86_400_001, 1),
      "f must be a whole number of milliseconds, from 1 to 86400000.",
    ],
    [
      "too little",
      () => requireWholeNumber("f", 0, { min: 1, max: Number.MAX_SAFE_INTEGER }),
      "f must be a whole number, 1 or more.",
    ],
    ["no function", () => requireFunction("f", wild("log")), "f must be a function."],
    ["no object", () => requireMembers<{ a?: object }>("f", wild(null), ["a"]), "f must be an object with a."],
    [
      "a part",
      () => requireMembers<{ a?: object; b?: object }>("f", { a: {} }, ["a", "b"]),
      "f must be an object with a, b; it lacks b.",
    ],
    ...["", "x".repeat(65), "cm{1}", "cm*", "c m", wild(1)].map((prefix): [string, () => unknown, string] => [
      `the prefix ${JSON.stringify(prefix)}`,
      () => requirePrefix("f", prefix),
      "f must be 1 to 64 of A-Z a-z 0-9 : _ -.",
    ]),
    ["an empty text", () => requireText("f", ""), "f must be a non-empty string."],
  ])("refuses %s, naming the option, the unit and the range", (_, check, message) => {
    expect(refusalOf(check)).toEqual(["options-invalid", "f", message]);
  });
});
