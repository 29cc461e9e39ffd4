import fc from "fast-check";
import { expect, it } from "vitest";
import { decodePositions, encodePositions } from "./sequencer-position.js";

const position = fc.record({
  epoch: fc.nat(2 ** 32 - 1),
  sequence: fc.maxSafeNat().map((n) => n % 2 ** 48),
  ageMs: fc.nat(2 ** 32 - 1),
});

it("positions come back as they were written", () => {
  fc.assert(
    fc.property(fc.array(position, { maxLength: 30 }), (positions) => {
      expect(decodePositions(encodePositions(positions), positions.length)).toEqual({ ok: true, value: positions });
    }),
  );
});

it("positions are refused with a code if there are more or fewer of them, whatever the bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(8), (bytes, count) => {
      const result = decodePositions(bytes, count);
      return result.ok ? bytes.length === count * 14 : result.error.code === "envelope-damaged";
    }),
    { numRuns: 5_000 },
  );
});

it("an age never looks younger than it is, nor older than can be written", () => {
  const ages = [0.2, 5, 1e12].map((ageMs) => ({ epoch: 1, sequence: 1, ageMs }));
  const result = decodePositions(encodePositions(ages), 3);
  expect(result.ok && result.value.map(({ ageMs }) => ageMs)).toEqual([1, 5, 2 ** 32 - 1]);
});
