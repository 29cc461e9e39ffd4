import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GAME_STATES, parseGameSession } from "./game-session.js";

const whole = {
  id: "g-1",
  players: ["ann", "bob"],
  spectators: [],
  state: "active",
  createdAt: 1,
  lastActivity: 2,
  serverInstance: "alpha",
};

describe("game sessions", () => {
  it.each(GAME_STATES)("are taken as they are while %s", (state) => {
    expect(parseGameSession({ ...whole, state })).toEqual({ ok: true, value: { ...whole, state } });
  });

  it.each([
    ["id", [undefined, 1, null]],
    ["players", [undefined, null, "ann", [1], ["ann", null], { 0: "ann", length: 1 }]],
    ["spectators", [undefined, null, [[]]]],
    ["state", [undefined, "", "Active", "toString", 0, ["active"]]],
    ["createdAt", [undefined, "1", Number.NaN]],
    ["lastActivity", [undefined, null, Number.NEGATIVE_INFINITY]],
    ["serverInstance", [undefined, 1]],
  ])("are refused with a wrong %s", (field, values) => {
    for (const value of values) {
      expect(parseGameSession({ ...whole, [field]: value })).toMatchObject({
        ok: false,
        error: { code: "event-invalid" },
      });
    }
  });

  it("are a value or a coded error for anything that JSON can carry", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const result = parseGameSession(value);
        return result.ok || result.error.code === "event-invalid";
      }),
    );
  });
});
