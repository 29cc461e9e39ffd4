import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NAME_MAX_BYTES, parseName, requireName } from "./room-and-user-names.js";

const encoder = new TextEncoder();

/** Any string, including strings with lone surrogates. */
const anyString = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0xd800, max: 0xdfff })), { maxLength: 300 })
  .map((units) => String.fromCharCode(...units));

describe("room and user names", () => {
  it("takes every non-empty, well-formed string of at most 255 bytes as it is, and nothing else", () => {
    fc.assert(
      fc.property(fc.oneof(anyString, fc.string({ unit: "binary", maxLength: 300 })), (text) => {
        const wellFormed = text.length > 0 && text.isWellFormed();
        const expected = !wellFormed
          ? "name-invalid"
          : encoder.encode(text).length > NAME_MAX_BYTES
            ? "name-too-long"
            : text;
        const result = parseName(text, "room");
        expect(result.ok ? result.value : result.error.code).toBe(expected);
      }),
      { numRuns: 1500 },
    );
  });

  it.each([
    ["ASCII", "x".repeat(255)],
    ["two bytes a character", `${"é".repeat(127)}x`],
    ["three bytes a character", "日".repeat(85)],
    ["four bytes a character", `${"👋".repeat(63)}abc`],
  ])("draws the line at 255 bytes of %s", (_, longest) => {
    expect(parseName(longest, "user")).toEqual({ ok: true, value: longest });
    expect(parseName(`${longest}x`, "user")).toMatchObject({
      ok: false,
      error: { code: "name-too-long", details: { maxBytes: 255 } },
    });
  });

  it.each(["a:b", "a{b}", "\u0000", "\n", "*", " ", "__proto__", "12345678901234567890", "\ufeff"])(
    "has no forbidden characters: %j is a name",
    (name) => expect(parseName(name, "room")).toEqual({ ok: true, value: name }),
  );

  it("does not normalize: names that look alike stay apart", () => {
    expect(requireName("é", "room")).not.toBe(requireName("e\u0301", "room"));
  });

  it.each([undefined, null, 0, 1, true, {}, [], ["a"], new String("a"), Symbol("a"), () => "a"])(
    "refuses values that are not strings (%#)",
    (value) => expect(parseName(value, "room")).toMatchObject({ ok: false, error: { code: "name-invalid" } }),
  );

  it("throws the error that parsing gives", () => {
    expect(requireName("lobby", "room")).toBe("lobby");
    expect(() => requireName("", "room")).toThrow(expect.objectContaining({ code: "name-invalid" }));
    expect(() => requireName("x".repeat(256), "user")).toThrow(expect.objectContaining({ code: "name-too-long" }));
  });
});
