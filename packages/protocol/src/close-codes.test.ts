import { describe, expect, it } from "vitest";
import { CLOSE_CODES, mayReconnect } from "./close-codes.js";

describe("close codes", () => {
  it("are all different and in the ranges that say whether to come back", () => {
    const codes = Object.values(CLOSE_CODES);
    expect(new Set(codes).size).toBe(codes.length);
    for (const code of codes) expect(code >= 4000 && code <= 4399).toBe(true);
  });

  it("from 4000 to 4199 tell a client not to reconnect; all others allow it", () => {
    const faultsOfTheClient = [
      "protocol-error",
      "unauthorized",
      "version-unsupported",
      "terminated",
      "connections-limit",
    ];
    for (const [reason, code] of Object.entries(CLOSE_CODES)) {
      expect([reason, mayReconnect(code)]).toEqual([reason, !faultsOfTheClient.includes(reason)]);
    }
  });

  it.each([
    [1000, false],
    [1001, true],
    [1002, false],
    [1006, true],
    [1008, false],
    [1009, false],
    [1011, true],
    [1012, true],
    [1013, true],
    [3000, false],
    [3999, false],
    [4000, false],
    [4199, false],
    [4200, true],
    [4399, true],
    [4400, false],
    [4999, false],
    [0, false],
    [Number.NaN, false],
  ])("answers for %d: %s", (code, expected) => expect(mayReconnect(code)).toBe(expected));
});
