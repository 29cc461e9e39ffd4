import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseGameEvent } from "./game-event.js";

const whole = {
  type: "game-move",
  userId: "ann",
  gameId: "g-1",
  data: { x: 1 },
  timestamp: 1_700_000_000_000,
  serverInstance: "alpha",
};

describe("game events", () => {
  it("are taken as they are, with or without their optional fields", () => {
    expect(parseGameEvent(whole)).toEqual({ ok: true, value: whole });
    const least = { type: "x", timestamp: 0 };
    expect(parseGameEvent(least)).toEqual({ ok: true, value: least });
    expect(parseGameEvent({ ...least, data: null, later: true })).toMatchObject({ ok: true });
  });

  it.each([
    ["type", [undefined, "", 1, null, ["x"]]],
    ["timestamp", [undefined, "0", null, Number.NaN, Number.POSITIVE_INFINITY]],
    ["userId", [1, null, {}]],
    ["gameId", [1, null, []]],
    ["serverInstance", [1, null, false]],
  ])("are refused with a wrong %s", (field, values) => {
    for (const value of values) {
      expect(parseGameEvent({ ...whole, [field]: value })).toMatchObject({
        ok: false,
        error: { code: "event-invalid" },
      });
    }
  });

  it("are a value or a coded error for anything that JSON can carry", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const result = parseGameEvent(value);
        return result.ok || result.error.code === "event-invalid";
      }),
    );
    for (const value of [undefined, null, 1, "x", [], [whole]]) expect(parseGameEvent(value).ok).toBe(false);
  });
});
