import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeUtf8, encodeUtf8, utf8ByteLength, writeUtf8 } from "./utf8.js";

const text = fc.string({ unit: "binary", maxLength: 200 });

describe("UTF-8", () => {
  it("counts bytes as the encoder writes them", () => {
    fc.assert(
      fc.property(text, (value) => utf8ByteLength(value) === encodeUtf8(value).length),
      { numRuns: 5000 },
    );
    for (const edge of [
      "\u007f",
      "\u0080",
      "\u07ff",
      "\u0800",
      "\ud7ff",
      "\ue000",
      "\uffff",
      "\u{10000}",
      "\u{10ffff}",
    ]) {
      expect(utf8ByteLength(edge)).toBe(new TextEncoder().encode(edge).length);
    }
  });

  it("reads back what it wrote, byte order marks too", () => {
    fc.assert(fc.property(text, (value) => decodeUtf8(encodeUtf8(value)) === value));
    expect(decodeUtf8(encodeUtf8("\ufeffx"))).toBe("\ufeffx");
  });

  it("writes in the middle of a buffer and touches nothing else", () => {
    fc.assert(
      fc.property(text, fc.integer({ min: 0, max: 20 }), (value, offset) => {
        const bytes = encodeUtf8(value);
        const target = new Uint8Array(offset + bytes.length + 3).fill(0xee);
        expect(writeUtf8(value, target, offset)).toBe(bytes.length);
        expect(target.subarray(offset, offset + bytes.length)).toEqual(bytes);
        expect(
          [...target.subarray(0, offset), ...target.subarray(offset + bytes.length)].every((b) => b === 0xee),
        ).toBe(true);
      }),
    );
  });

  it.each([[[0x80]], [[0xc0, 0xaf]], [[0xe2, 0x82]], [[0xed, 0xa0, 0x80]], [[0xf4, 0x90, 0x80, 0x80]], [[0xff]]])(
    "gives undefined for bytes that are not UTF-8: %j",
    (bytes) => expect(decodeUtf8(Uint8Array.from(bytes))).toBeUndefined(),
  );

  it("is still right after it met bytes that are not UTF-8", () => {
    expect(decodeUtf8(Uint8Array.of(0xe2, 0x82))).toBeUndefined();
    expect(decodeUtf8(Uint8Array.of(0x61))).toBe("a");
  });
});
