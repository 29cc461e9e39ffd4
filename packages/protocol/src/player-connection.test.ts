import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parsePlayerConnection } from "./player-connection.js";

const whole = { userId: "ann", socketId: "alpha.aaaa01", gameIds: ["g-1"], lastSeen: 5, serverInstance: "alpha" };

describe("player connections", () => {
  it("are taken as they are", () => {
    expect(parsePlayerConnection(whole)).toEqual({ ok: true, value: whole });
    expect(parsePlayerConnection({ ...whole, gameIds: [] })).toMatchObject({ ok: true });
  });

  it.each([
    ["userId", [undefined, 1, null]],
    ["socketId", [undefined, 1, {}]],
    ["gameIds", [undefined, null, "g-1", [1]]],
    ["lastSeen", [undefined, "5", Number.NaN, Number.POSITIVE_INFINITY]],
    ["serverInstance", [undefined, null]],
  ])("are refused with a wrong %s", (field, values) => {
    for (const value of values) {
      expect(parsePlayerConnection({ ...whole, [field]: value })).toMatchObject({
        ok: false,
        error: { code: "event-invalid" },
      });
    }
  });

  it("are a value or a coded error for anything that JSON can carry", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const result = parsePlayerConnection(value);
        return result.ok || result.error.code === "event-invalid";
      }),
    );
  });
});
