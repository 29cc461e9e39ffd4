import { expect, it } from "vitest";
import { SignedCursors } from "./signed-cursors.js";

it("a signed cursor is valid for its room on its server, and for nothing else", () => {
  const cursors = new SignedCursors();
  const signed = cursors.sign("lobby", "cursor");
  expect(signed).not.toContain("lobby");
  expect(cursors.verify("lobby", signed)).toBe("cursor");
  const refused = expect.objectContaining({ code: "options-invalid" });
  for (const [room, cursor] of [
    ["hall", signed],
    ["lobby", `${signed}x`],
    ["lobby", "cursor"],
    ["lobby", ""],
    ["lobby", signed.slice(0, 12)],
    ["lobby", `${"é".repeat(12)}cursor`],
  ] as const) {
    expect(() => cursors.verify(room, cursor)).toThrow(refused);
  }
  expect(() => new SignedCursors().verify("lobby", signed)).toThrow(refused);
});

it("a signed cursor is not valid for another room that its text could be cut into", () => {
  const cursors = new SignedCursors();
  const signed = cursors.sign("b\0a", "cursor");
  const refused = expect.objectContaining({ code: "options-invalid" });
  expect(() => cursors.verify("a", `${signed}\0b`)).toThrow(refused);
  expect(cursors.verify("b\0a", signed)).toBe("cursor");
});
