import { describe, expect, it } from "vitest";
import { encodeUtf8, partitionOf } from "./index.js";

describe("the partition of a name", () => {
  it("puts names into partitions that never change", () => {
    expect(
      ["lobby", "", "12345678901234567890", "日本語"].map((name) => partitionOf(name, 256)),
    ).toMatchInlineSnapshot(`
      [
        211,
        197,
        221,
        231,
      ]
    `);
  });

  it("hashes the UTF-8 bytes of a name, wherever it leaves ASCII", () => {
    const expected = (name: string): number => {
      const hash = encodeUtf8(name).reduce((seen, byte) => Math.imul(seen ^ byte, 0x01000193), 0x811c9dc5);
      return (hash >>> 0) % 256;
    };
    for (let unit = 0; unit <= 0x900; unit++) {
      const name = `a${String.fromCharCode(unit)}b`;
      expect(partitionOf(name, 256), JSON.stringify(name)).toBe(expected(name));
    }
  });

  it("spreads names over all partitions, numbered ones too", () => {
    const sizes = Array.from({ length: 256 }, () => 0);
    for (let i = 0; i < 25_600; i++) {
      const partition = partitionOf(`room-${i}`, 256);
      sizes[partition] = (sizes[partition] ?? 0) + 1;
    }
    expect(Math.min(...sizes)).toBeGreaterThan(50);
    expect(Math.max(...sizes)).toBeLessThan(170);
  });
});
